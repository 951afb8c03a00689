/** Every bound of the cryptographic layer, at its number and one beyond (protocol.md §2.16). */
import { beforeAll, describe, expect, test } from '@jest/globals';
import {
  createPrekey,
  decodeContent,
  decodeSession,
  encodeRetry,
  encodeSession,
  isAgentName,
  LIMITS,
  ready,
  seal,
} from '../src/index.js';
import type { CryptoSession } from '../src/index.js';
import { concatBytes, u32 } from '../src/bytes.js';
import { Secret } from '../src/secret.js';
import { forge } from './forgery.js';
import { expectRefused, withCode } from './refusal.js';
import {
  contentOf,
  established,
  hear,
  hearFirst,
  initiate,
  makeAgent,
  NOW,
  say,
  tryHear,
} from './two-agents.js';

beforeAll(ready);

const pair = () => established(makeAgent('alice'), makeAgent('bob'));

test('the numbers are those of the specification', () => {
  const day = 86_400_000;
  expect(LIMITS).toEqual({
    bodyBytes: 1_000_000,
    envelopeBytes: 1_048_576,
    minPaddedBytes: 256,
    maxSkip: 2000,
    skippedKeysPerJump: 200,
    skippedKeysPerSession: 2000,
    skippedKeysPerPeer: 4000,
    skippedKeyLifetimeMs: 14 * day,
    oldChains: 5,
    maxMessageNumber: 2 ** 31,
    sessionsPerPeer: 8,
    nameBytes: 64,
    clockToleranceMs: day,
    identityRecordLifetimeMs: 90 * day,
    signedPrekeyLifetimeMs: 9 * day,
    signedPrekeyRotationMs: 2 * day,
    oneTimePrekeyLifetimeMs: 30 * day,
    retryRanges: 64,
  });
});

describe('a body', () => {
  const body = (length: number) => new Uint8Array(length).fill(0x61);

  test('of 1,000,000 bytes is sealed and heard, as a first and as a later message', () => {
    const alice = initiate(makeAgent('alice'), makeAgent('bob'));
    const first = say(alice, '', { body: body(LIMITS.bodyBytes) });
    expect(first.length).toBeLessThanOrEqual(LIMITS.envelopeBytes);
    const { side: bob, opened } = hearFirst(alice.peer, alice.me, first);
    expect(opened.content.body).toHaveLength(1_000_000);
    const later = say(bob, '', { body: body(LIMITS.bodyBytes) });
    expect(hear(alice, later).content.body).toHaveLength(1_000_000);
  });

  test('of 1,000,001 bytes is TOO_LARGE to encode, and BAD_CONTENT when somebody signed it', () => {
    const large = { body: body(LIMITS.bodyBytes + 1) };
    expect(() => contentOf('', large)).toThrow(withCode('TOO_LARGE'));
    const { alice, bob } = pair();
    const head = contentOf('').subarray(0, -4);
    const content = concatBytes(head, u32(LIMITS.bodyBytes + 1), large.body);
    expect(() => decodeContent(content)).toThrow(withCode('BAD_CONTENT'));
    const wire = forge({ session: alice.session, signer: alice.me.keyPair, content });
    expectRefused(bob, wire, 'BAD_CONTENT');
  });
});

describe('an envelope', () => {
  // The largest Padmé bucket that fits: 63 x 16 KiB, of which 4 + 64 bytes are not content.
  const largest = 63 * 16_384 - 68;

  test('is filled to its last bucket, one byte more is TOO_LARGE and changes nothing', () => {
    const { alice } = pair();
    const { session, me } = alice;
    const { keyPair, random } = me;
    const before = encodeSession(session);
    const content = new Uint8Array(largest + 1);
    expect(() => seal({ session, keyPair, content, random })).toThrow(withCode('TOO_LARGE'));
    expect(() => seal({ session, keyPair, content, random })).toThrow(
      /\d+ bytes, the limit is 1048576$/,
    );
    expect(encodeSession(session)).toEqual(before);
    const { wire } = seal({ session, keyPair, content: content.subarray(1), random });
    expect(wire).toHaveLength(76 + 16 + 63 * 16_384 + 16);
    expect(wire.length).toBeLessThanOrEqual(LIMITS.envelopeBytes);
  });
});

describe('a stored session', () => {
  test('with 5 old chains is read, with 6 it is MALFORMED', () => {
    const { alice, bob } = pair();
    for (let turns = 0; turns < LIMITS.oldChains + 2; turns++) {
      hear(alice, say(bob, 'turn'));
      hear(bob, say(alice, 'turn back'));
    }
    expect(bob.session.old).toHaveLength(LIMITS.oldChains);
    const stored = encodeSession(bob.session);
    expect(encodeSession(decodeSession(stored))).toEqual(stored);
    const [chain] = bob.session.old;
    if (chain === undefined) throw new TypeError('an old chain expected');
    const six: CryptoSession = { ...bob.session, old: [...bob.session.old, chain] };
    expect(() => decodeSession(encodeSession(six))).toThrow(withCode('MALFORMED'));
  });

  test('with 2,000 skipped keys is read, with 2,001 it is MALFORMED', () => {
    const { bob } = pair();
    const skippedOf = (count: number) =>
      Array.from({ length: count }, (_, number) => ({
        ratchetKey: new Uint8Array(32),
        number,
        key: new Secret('message key', new Uint8Array(32)),
        storedAtMs: NOW,
      }));
    const full = encodeSession({ ...bob.session, skipped: skippedOf(2000) });
    expect(decodeSession(full).skipped).toHaveLength(2000);
    const over = encodeSession({ ...bob.session, skipped: skippedOf(2001) });
    expect(() => decodeSession(over)).toThrow(withCode('MALFORMED'));
  });
});

test('a name has 1 to 64 characters', () => {
  expect(isAgentName('')).toBe(false);
  expect(isAgentName('a'.repeat(64))).toBe(true);
  expect(isAgentName('a'.repeat(65))).toBe(false);
  const { alice, bob } = pair();
  const longest = 'a'.repeat(64);
  const opened = tryHear(bob, say(alice, 'hello', { fromName: longest, toName: longest }));
  expect(opened.ok && opened.content.fromName).toBe(longest);
  expect(() => contentOf('hello', { toName: 'a'.repeat(65) })).toThrow(
    withCode('INVALID_ARGUMENT'),
  );
});

test('a prekey id is 1 to 2^32 - 1, and a prekey does not end before it begins', () => {
  const { keyPair, random } = makeAgent('bob');
  const times = { createdMs: NOW, expiresMs: NOW };
  const make = (id: number, change: object = {}) =>
    createPrekey({ keyPair, kind: 'signed', id, ...times, random, ...change }).record.id;
  for (const id of [1, 0xffff_ffff]) expect(make(id)).toBe(id);
  for (const id of [0, 0x1_0000_0000]) {
    expect(() => make(id)).toThrow(withCode('INVALID_ARGUMENT'));
  }
  expect(() => make(1, { expiresMs: NOW - 1 })).toThrow(withCode('INVALID_ARGUMENT'));
});

test('a retry request has 1 to 64 ranges', () => {
  const ranges = (count: number) => Array.from({ length: count }, () => ({ from: 1, to: 1 }));
  expect(encodeRetry(ranges(64))).toHaveLength(1 + 64 * 16);
  for (const count of [0, 65]) {
    expect(() => encodeRetry(ranges(count))).toThrow(withCode('INVALID_ARGUMENT'));
  }
});
