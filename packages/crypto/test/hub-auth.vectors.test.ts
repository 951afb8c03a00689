import { beforeAll, expect, test } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import {
  AgentKeyPair,
  fromHex,
  hubAuthBytes,
  HubKeyPair,
  hubIdOf,
  importHubKey,
  ready,
  toHex,
  verifyHubAuth,
} from '../src/index.js';
import type { HubAuthTranscript } from '../src/index.js';

const FILE = new URL('../vectors/hub-auth.json', import.meta.url);
const seeded = (byte: number, length = 32) => new Uint8Array(length).fill(byte);

beforeAll(ready);

/** Everything of the file, from the inputs that its note names. */
function made() {
  const keyPair = AgentKeyPair.fromSecrets({ signingSeed: seeded(1), dhScalar: seeded(2) });
  const hub = HubKeyPair.fromSeed(seeded(3));
  const transcript: HubAuthTranscript = {
    role: 'client',
    channelBindingType: 1,
    channelBinding: seeded(4),
    hubKey: hub.publicKey,
    serverNonce: seeded(5),
    clientNonce: seeded(6),
    aid: keyPair.identity.aid,
    name: 'alice',
    instance: seeded(7, 16),
    boot: 258,
  };
  const answer: HubAuthTranscript = { ...transcript, role: 'hub' };
  return {
    note:
      'Seeds and inputs are repeated bytes: client Ed25519 seed 01, X25519 scalar 02, ' +
      'hub seed 03, channel binding (type 1) 04, server nonce 05, client nonce 06, instance 07; ' +
      'name alice, boot 258.',
    hubKey: toHex(hub.publicKey),
    hubId: toHex(hub.hubId),
    aid: toHex(keyPair.identity.aid),
    clientTranscript: toHex(hubAuthBytes(transcript)),
    clientSignature: toHex(keyPair.sign(hubAuthBytes(transcript))),
    hubTranscript: toHex(hubAuthBytes(answer)),
    hubSignature: toHex(hub.sign(answer)),
    check: { transcript, answer, clientKey: keyPair.identity.signing },
  };
}

test('hub-auth.json: a real hub key, its id and both signatures are the published bytes', () => {
  const { check, ...values } = made();
  // A new version of the file is written on purpose only: AGENTMESH_WRITE_VECTORS=1.
  if (process.env['AGENTMESH_WRITE_VECTORS'] === '1') {
    writeFileSync(FILE, `${JSON.stringify(values, null, 1)}\n`);
  }
  const published = JSON.parse(readFileSync(FILE, 'utf8')) as typeof values;
  expect(values).toEqual(published);
  expect(toHex(hubIdOf(importHubKey(fromHex(published.hubKey))))).toBe(published.hubId);
  const { transcript, answer, clientKey } = check;
  const clientSignature = fromHex(published.clientSignature);
  const hubSignature = fromHex(published.hubSignature);
  expect(verifyHubAuth(transcript, clientSignature, clientKey)).toBe(true);
  expect(verifyHubAuth(answer, hubSignature, fromHex(published.hubKey))).toBe(true);
  expect(verifyHubAuth(transcript, hubSignature, fromHex(published.hubKey))).toBe(false);
});
