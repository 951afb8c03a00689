/**
 * What becomes of copies of secrets (protocol.md §2.11): each that is taken out of its wrapping,
 * and each random value that becomes one, is overwritten when the call that needed it returns.
 * What the runtime copies by itself nobody can see from here (threat-model.md).
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import {
  AgentKeyPair,
  createIdentityRecord,
  createPrekey,
  decodePrekeyPair,
  decodeSession,
  encodePrekeyPair,
  encodeSession,
  HubKeyPair,
  performKeyExchange,
  ready,
  seal,
  systemRandom,
  unseal,
  unsealInitial,
  verifyBundle,
} from '../src/index.js';
import type { CryptoSession, RandomSource } from '../src/index.js';
import { createKeyFile, loadKeyFile } from '../src/keys-at-rest.js';
import { Secret } from '../src/secret.js';
import { contentOf } from './two-agents.js';

const nowMs = 1_800_000_000_000;
const hubId = new Uint8Array(32);
/** Copies that were taken out of a wrapping, and random values of 32 bytes or more. */
let copies: Uint8Array[] = [];
const random: RandomSource = (length) => {
  const drawn = systemRandom(length);
  // Shorter ones are salts and ids, which are public.
  if (length >= 32) copies.push(drawn);
  return drawn;
};

beforeAll(ready);

beforeEach(() => {
  copies = [];
  const found = Object.getOwnPropertyDescriptor(Secret.prototype, 'reveal');
  const reveal = found?.value as (this: Secret<string>) => Uint8Array;
  jest.spyOn(Secret.prototype, 'reveal').mockImplementation(function (this: Secret<string>) {
    const copy = reveal.call(this);
    copies.push(copy);
    return copy;
  });
});

afterEach(() => void jest.restoreAllMocks());

function expectWiped(atLeast = 1): void {
  expect(copies.length).toBeGreaterThanOrEqual(atLeast);
  expect(copies.filter((copy) => copy.some((byte) => byte !== 0))).toEqual([]);
  copies = [];
}

function bundleOf(keyPair: AgentKeyPair) {
  const dates = { createdMs: nowMs, expiresMs: nowMs + 1e8 };
  const [signed, oneTime] = (['signed', 'one-time'] as const).map((kind, at) =>
    createPrekey({ keyPair, kind, id: at + 1, ...dates, random }),
  );
  if (signed === undefined || oneTime === undefined) throw new TypeError('two prekeys');
  const validUntilMs = nowMs + 1e8;
  const fields = { keyPair, name: 'bob', hubId, createdMs: nowMs, validUntilMs, revision: 1 };
  const record = createIdentityRecord(fields);
  const bytes = { record, signed: signed.record.bytes, oneTime: oneTime.record.bytes };
  return { signed, oneTime, bundle: verifyBundle(bytes, { name: 'bob', hubId, nowMs }) };
}

test('T-A53 secrets-in-memory: keys that are made', () => {
  const keyPair = AgentKeyPair.generate(random);
  HubKeyPair.generate(random);
  const { signed } = bundleOf(keyPair);
  expectWiped(6);
  decodePrekeyPair(encodePrekeyPair(signed), keyPair.identity);
  expectWiped(2);
});

test('T-A53 secrets-in-memory: a conversation, with a jump and turns of the ratchet', () => {
  const [alice, bob] = [AgentKeyPair.generate(random), AgentKeyPair.generate(random)];
  const { signed, oneTime, bundle } = bundleOf(bob);
  let ours: CryptoSession = performKeyExchange({ keyPair: alice, bundle, generation: 1, random });
  expectWiped();
  const say = (session: CryptoSession, keyPair: AgentKeyPair, text: string) =>
    seal({ session, keyPair, content: contentOf(text), random });
  const first = say(ours, alice, 'one');
  ours = first.session;
  expectWiped();
  const prekeys = { signed: () => signed, oneTime: () => oneTime };
  const wire = first.wire;
  const isKnownSid = () => false;
  const opened = unsealInitial({ keyPair: bob, wire, prekeys, isKnownSid, nowMs, random });
  if (!opened.ok) throw opened.error;
  expectWiped();
  const answer = say(opened.session, bob, 'two');
  const heard = unseal({ session: ours, wire: answer.wire, nowMs, random });
  if (!heard.ok) throw heard.error;
  let later = say(heard.session, alice, 'three');
  for (let n = 0; n < 5; n++) later = say(later.session, alice, `more ${n}`);
  const jumped = unseal({ session: answer.session, wire: later.wire, nowMs, random });
  if (!jumped.ok) throw jumped.error;
  expect(jumped.session.skipped.length).toBeGreaterThan(0);
  expectWiped();
  const damaged = later.wire.map((byte, at) => (at === later.wire.length - 1 ? byte ^ 1 : byte));
  expect(unseal({ session: answer.session, wire: damaged, nowMs, random }).ok).toBe(false);
  expectWiped();
  decodeSession(encodeSession(jumped.session));
  expectWiped();
});

describe('T-A53 secrets-in-memory: a key file', () => {
  test.each([
    ['in the clear', undefined],
    ['under a passphrase', 'correct horse'],
  ])('%s is written and read without a text of its secrets', async (_, passphrase) => {
    const folder = await mkdtemp(join(tmpdir(), 'agentmesh-wiped-'));
    const texts: string[] = [];
    const decode = jest.spyOn(TextDecoder.prototype, 'decode');
    const toText = jest.spyOn(Buffer.prototype, 'toString');
    const parsed = jest.spyOn(JSON, 'parse');
    try {
      const path = join(folder, 'keys.json');
      const { keyPair } = await createKeyFile(path, {
        ...(passphrase === undefined ? { unprotected: true } : { passphrase }),
        random,
      });
      const loaded = await loadKeyFile(path, { passphrase });
      for (const spy of [decode, toText]) {
        texts.push(...spy.mock.results.map(({ value }) => String(value)));
      }
      texts.push(...parsed.mock.calls.map(([text]) => text));
      // The salt of scrypt is as long as a key, and stands in the file.
      const salt = JSON.parse(await readFile(path, 'utf8')).scrypt?.salt;
      copies = copies.filter((copy) => Buffer.from(copy).toString('base64url') !== salt);
      expectWiped();
      jest.restoreAllMocks();
      expect(loaded.keyPair.address).toBe(keyPair.address);
      const { signingSeed, dhScalar } = keyPair.exportSecrets();
      const secrets = [signingSeed, dhScalar, loaded.storeKey.reveal()];
      const written = secrets.map((secret) => Buffer.from(secret).toString('base64url'));
      expect(texts.filter((text) => written.some((one) => text.includes(one)))).toEqual([]);
      expect(inspect({ loaded, keyPair }, { depth: 9, showHidden: true })).not.toMatch(
        new RegExp(written.join('|')),
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
