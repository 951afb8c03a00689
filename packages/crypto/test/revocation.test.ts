/**
 * Revocations (protocol.md §2.13): the published bytes, made again with another implementation of
 * Ed25519 and the layout written a second time; then who can make one, and of what.
 */
import { createPrivateKey, sign } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from '@jest/globals';
import {
  AgentKeyPair,
  createRevocation,
  fromHex,
  importIdentity,
  parseRevocation,
  ready,
  REVOCATION_REASON,
  toHex,
  verifyRevocation,
} from '../src/index.js';
import type { RevocationReason } from '../src/index.js';
import { flipBit } from './forgery.js';
import { withCode } from './refusal.js';

const FILE = new URL('../vectors/revocation.json', import.meta.url);
const TIME_MS = 1_767_225_600_001;
const PKCS8_ED25519 = '302e020100300506032b657004220420';
const BYTES = 110;

beforeAll(ready);

function keyPairOf(signing: number, dh = signing + 1): AgentKeyPair {
  const seeded = (byte: number) => new Uint8Array(32).fill(byte);
  return AgentKeyPair.fromSecrets({ signingSeed: seeded(signing), dhScalar: seeded(dh) });
}

const alice = () => keyPairOf(1);
const genuine = () => createRevocation(alice(), { timeMs: TIME_MS, reason: 1 });

/** The record, from the text of the protocol and with Node's Ed25519. */
function madeByNode(aid: Uint8Array, seed: number, reason: number): Buffer {
  const key = createPrivateKey({
    key: Buffer.concat([Buffer.from(PKCS8_ED25519, 'hex'), Buffer.alloc(32, seed)]),
    format: 'der',
    type: 'pkcs8',
  });
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(TIME_MS));
  const body = Buffer.concat([Buffer.from('AMRV\u0002'), aid, time, Buffer.from([reason])]);
  const signed = Buffer.concat([Buffer.from('AgentMesh/2 revocation\0'), body]);
  return Buffer.concat([body, sign(null, signed, key)]);
}

test('revocation.json: a revocation for each reason is the published bytes', () => {
  const { aid } = alice().identity;
  const of = (reason: RevocationReason) =>
    toHex(createRevocation(alice(), { timeMs: TIME_MS, reason }));
  const values = {
    note:
      'Seeds are repeated bytes: Ed25519 seed 01, X25519 scalar 02; time 1767225600001 ms. ' +
      'One revocation for each reason.',
    aid: toHex(aid),
    unspecified: of(REVOCATION_REASON.unspecified),
    keyCompromised: of(REVOCATION_REASON.keyCompromised),
    superseded: of(REVOCATION_REASON.superseded),
    retired: of(REVOCATION_REASON.retired),
  };
  // A new version of the file is written on purpose only: AGENTMESH_WRITE_VECTORS=1.
  if (process.env['AGENTMESH_WRITE_VECTORS'] === '1') {
    writeFileSync(FILE, `${JSON.stringify(values, null, 1)}\n`);
  }
  const published = JSON.parse(readFileSync(FILE, 'utf8')) as typeof values;
  expect(values).toEqual(published);
  for (const [name, reason] of Object.entries(REVOCATION_REASON)) {
    const bytes = fromHex(published[name as keyof typeof REVOCATION_REASON]);
    expect(toHex(madeByNode(aid, 1, reason))).toBe(toHex(bytes));
    expect(parseRevocation(bytes)).toMatchObject({ aid, timeMs: TIME_MS, reason });
    expect(verifyRevocation(parseRevocation(bytes), alice().identity)).toBe(true);
  }
});

describe('revocations', () => {
  test('of a reason that is not known here are taken, but not made', () => {
    const revocation = parseRevocation(madeByNode(alice().identity.aid, 1, 200));
    expect(revocation.reason).toBe(200);
    expect(verifyRevocation(revocation, alice().identity)).toBe(true);
    const MISUSE = withCode('INVALID_ARGUMENT');
    const make = (timeMs: number, reason: number) => () =>
      createRevocation(alice(), { timeMs, reason: reason as RevocationReason });
    for (const reason of [4, 200, 256, -1, 0.5, Number.NaN]) {
      expect(make(TIME_MS, reason)).toThrow(MISUSE);
    }
    for (const timeMs of [-1, 0.5, Number.NaN, 2 ** 53]) expect(make(timeMs, 1)).toThrow(MISUSE);
  });

  test('are of both keys of an identity: no other one can make or use them', () => {
    const revocation = parseRevocation(genuine());
    expect(verifyRevocation(revocation, keyPairOf(5).identity)).toBe(false);
    const { signing } = alice().identity;
    const halfAlice = importIdentity(signing, keyPairOf(5).identity.dh);
    expect(verifyRevocation(revocation, halfAlice)).toBe(false);
    // Signed by a stranger over her aid.
    const forged = parseRevocation(madeByNode(alice().identity.aid, 5, 1));
    expect(verifyRevocation(forged, alice().identity)).toBe(false);
    expect(verifyRevocation(forged, keyPairOf(5).identity)).toBe(false);
  });

  test('have one length: every shorter and longer one is refused before any signature', () => {
    const bytes = genuine();
    const BAD_RECORD = withCode('BAD_RECORD');
    for (let length = 0; length < BYTES; length++) {
      expect(() => parseRevocation(bytes.subarray(0, length))).toThrow(BAD_RECORD);
    }
    expect(() => parseRevocation(Uint8Array.of(...bytes, 0))).toThrow(BAD_RECORD);
    expect(() => parseRevocation(Uint8Array.of(0, ...bytes))).toThrow(BAD_RECORD);
  });

  test('every one of their 880 bits counts', () => {
    const bytes = genuine();
    expect(bytes).toHaveLength(BYTES);
    for (let bit = 0; bit < 8 * BYTES; bit++) {
      const flipped = flipBit(bytes, bit);
      if (bit < 8 * 5) expect(() => parseRevocation(flipped)).toThrow(withCode('BAD_RECORD'));
      else expect(isGenuine(flipped)).toBe(false);
    }
    expect(isGenuine(bytes)).toBe(true);
  });

  test('keep what was read, whatever the caller does to his memory', () => {
    const memory = genuine();
    const revocation = parseRevocation(memory);
    memory.fill(0);
    expect(revocation.bytes).toEqual(genuine());
    expect(verifyRevocation(revocation, alice().identity)).toBe(true);
  });
});

/** A time above 2^53 is no time; what can be read at all must fail the signature. */
function isGenuine(bytes: Uint8Array): boolean {
  try {
    return verifyRevocation(parseRevocation(bytes), alice().identity);
  } catch (error) {
    expect(error).toEqual(withCode('BAD_RECORD'));
    return false;
  }
}
