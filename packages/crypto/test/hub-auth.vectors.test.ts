import { beforeAll, describe, expect, test } from '@jest/globals';
import { createHash, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import {
  AgentKeyPair,
  fromHex,
  hubAuthBytes,
  HubKeyPair,
  hubIdOf,
  hubProofBytes,
  hubSaidBytes,
  hubTranscript,
  importHubKey,
  ready,
  toHex,
  transcriptWithAuth,
  verifyHubAuth,
  verifyHubProof,
  verifyHubSaid,
} from '../src/index.js';
import type { HubAuthTranscript, HubGreeting } from '../src/index.js';

const FILE = new URL('../vectors/hub-auth.json', import.meta.url);
const seeded = (byte: number, length = 32) => new Uint8Array(length).fill(byte);
const base64Url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');

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
  const nonce = base64Url(seeded(6));
  const begin = `{"type":"begin","versions":[2],"features":[],"clientNonce":"${nonce}"}`;
  const hello =
    `{"type":"hello","version":2,"features":[],"hubKey":"${base64Url(hub.publicKey)}",` +
    `"serverNonce":"${base64Url(seeded(5))}","time":1767225600001`;
  const greeting: HubGreeting = {
    channelBindingType: 1,
    channelBinding: seeded(4),
    clientNonce: seeded(6),
    serverNonce: seeded(5),
    begin,
    hello,
  };
  const auth = '{"type":"auth","id":1}';
  const said = '{"type":"error","re":1,"code":"NAME_TAKEN","message":"taken"';
  const greeted = hubTranscript(greeting);
  const authenticated = transcriptWithAuth(greeted, auth);
  return {
    note:
      'Seeds and inputs are repeated bytes: client Ed25519 seed 01, X25519 scalar 02, ' +
      'hub seed 03, channel binding (type 1) 04, server nonce 05, client nonce 06, instance 07; ' +
      'name alice, boot 258. Texts are given as they are hashed: hello and said without their ' +
      'last field, which is the signature. The transient transcript is that of the same client ' +
      'if it keeps no keys: its first byte behind the label is 3 instead of 1.',
    hubKey: toHex(hub.publicKey),
    hubId: toHex(hub.hubId),
    aid: toHex(keyPair.identity.aid),
    begin,
    hello,
    proofBytes: toHex(hubProofBytes(greeting)),
    proof: toHex(hub.prove(greeting)),
    transcript: toHex(greeted),
    clientTranscript: toHex(hubAuthBytes(transcript)),
    clientSignature: toHex(keyPair.sign(hubAuthBytes(transcript))),
    transientTranscript: toHex(hubAuthBytes({ ...transcript, role: 'transient' })),
    transientSignature: toHex(keyPair.sign(hubAuthBytes({ ...transcript, role: 'transient' }))),
    auth,
    transcriptWithAuth: toHex(authenticated),
    said,
    saidBytes: toHex(hubSaidBytes(authenticated, said)),
    saidSignature: toHex(hub.say(authenticated, said)),
    check: { transcript, greeting, clientKey: keyPair.identity.signing },
  };
}

type Published = Omit<ReturnType<typeof made>, 'check'>;

const published = (): Published => JSON.parse(readFileSync(FILE, 'utf8')) as Published;

describe('hub-auth.json', () => {
  test('a real hub key, its id, its proof and all signatures are the published bytes', () => {
    const { check, ...values } = made();
    // A new version of the file is written on purpose only: AGENTMESH_WRITE_VECTORS=1.
    if (process.env['AGENTMESH_WRITE_VECTORS'] === '1') {
      writeFileSync(FILE, `${JSON.stringify(values, null, 1)}\n`);
    }
    const file = published();
    expect(values).toEqual(file);
    expect(toHex(hubIdOf(importHubKey(fromHex(file.hubKey))))).toBe(file.hubId);
    const { transcript, greeting, clientKey } = check;
    const hubKey = fromHex(file.hubKey);
    expect(verifyHubAuth(transcript, fromHex(file.clientSignature), clientKey)).toBe(true);
    const transient = { ...transcript, role: 'transient' } as const;
    expect(verifyHubAuth(transient, fromHex(file.transientSignature), clientKey)).toBe(true);
    expect(verifyHubAuth(transient, fromHex(file.clientSignature), clientKey)).toBe(false);
    expect(verifyHubAuth(transcript, fromHex(file.transientSignature), clientKey)).toBe(false);
    expect(verifyHubProof(greeting, fromHex(file.proof), hubKey)).toBe(true);
    const what = { transcript: fromHex(file.transcriptWithAuth), said: file.said, hubKey };
    expect(verifyHubSaid(what, fromHex(file.saidSignature))).toBe(true);
  });

  test('no signature stands for another statement, connection, text or key', () => {
    const { check, ...file } = made();
    const { greeting } = check;
    const hubKey = fromHex(file.hubKey);
    const proof = fromHex(file.proof);
    const otherGreetings: readonly Partial<HubGreeting>[] = [
      { channelBindingType: 0 },
      { channelBindingType: 2 },
      { channelBinding: seeded(8) },
      { clientNonce: seeded(8) },
      { serverNonce: seeded(8) },
      { begin: file.begin.replace('[2]', '[1]') },
      { hello: file.hello.replace('"version":2', '"version":1') },
      { begin: file.begin + file.hello.slice(0, 1), hello: file.hello.slice(1) },
    ];
    for (const change of otherGreetings) {
      expect(verifyHubProof({ ...greeting, ...change }, proof, hubKey)).toBe(false);
    }
    const signature = fromHex(file.saidSignature);
    const what = { transcript: fromHex(file.transcriptWithAuth), said: file.said, hubKey };
    for (const change of [
      { transcript: fromHex(file.transcript) },
      { said: file.said.replace('NAME_TAKEN', 'REVOKED') },
      { hubKey: check.clientKey },
    ]) {
      expect(verifyHubSaid({ ...what, ...change }, signature)).toBe(false);
    }
    expect(verifyHubSaid(what, proof)).toBe(false);
    expect(verifyHubProof(greeting, signature, hubKey)).toBe(false);
    expect(verifyHubAuth(check.transcript, fromHex(file.clientSignature), hubKey)).toBe(false);
  });

  test("Node's own Ed25519 and SHA-256 give the same bytes, written out by hand", () => {
    const file = published();
    const text = (value: string) => Buffer.from(value, 'utf8');
    const lp32 = (value: Buffer) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(value.length);
      return Buffer.concat([length, value]);
    };
    const sha256 = (value: Buffer) => createHash('sha256').update(value).digest();
    const pkcs8 = Buffer.from('302e020100300506032b657004220420', 'hex');
    const key = createPrivateKey({
      key: Buffer.concat([pkcs8, Buffer.alloc(32, 3)]),
      format: 'der',
      type: 'pkcs8',
    });
    const publicKey = createPublicKey(key);
    const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
    expect(raw.toString('hex')).toBe(file.hubKey);
    expect(sha256(Buffer.concat([text('AgentMesh/2 hub\0'), raw])).toString('hex')).toBe(
      file.hubId,
    );
    const firstFrames = Buffer.concat([lp32(text(file.begin)), lp32(text(file.hello))]);
    const proofBytes = Buffer.concat([
      text('AgentMesh/2 hub-proof\0'),
      Buffer.of(1),
      lp32(Buffer.alloc(32, 4)),
      Buffer.alloc(32, 6),
      Buffer.alloc(32, 5),
      sha256(firstFrames),
    ]);
    expect(proofBytes.toString('hex')).toBe(file.proofBytes);
    expect(sign(null, proofBytes, key).toString('hex')).toBe(file.proof);
    const greeted = sha256(proofBytes);
    expect(greeted.toString('hex')).toBe(file.transcript);
    const authenticated = sha256(
      Buffer.concat([text('AgentMesh/2 hub-transcript\0'), greeted, lp32(text(file.auth))]),
    );
    expect(authenticated.toString('hex')).toBe(file.transcriptWithAuth);
    const said = Buffer.concat([
      text('AgentMesh/2 hub-said\0'),
      authenticated,
      lp32(text(file.said)),
    ]);
    expect(said.toString('hex')).toBe(file.saidBytes);
    expect(sign(null, said, key).toString('hex')).toBe(file.saidSignature);
    expect(verify(null, said, publicKey, Buffer.from(file.saidSignature, 'hex'))).toBe(true);
  });
});
