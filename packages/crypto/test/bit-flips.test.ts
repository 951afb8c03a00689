/**
 * T-R2: every single bit of a first and of a later message, flipped. Each copy is refused with the
 * code of the check that is meant to stop it, no input changes, no randomness is drawn, and the
 * genuine message is heard afterwards.
 */
import { beforeAll, expect, test } from '@jest/globals';
import { encodePrekeyPair, encodeSession, ready } from '../src/index.js';
import type { CryptoErrorCode, Opened, Refused } from '../src/index.js';
import { flipBit } from './forgery.js';
import { freezeDeep } from './frozen.js';
import { codeOf } from './refusal.js';
import {
  established,
  hear,
  hearFirst,
  initiate,
  makeAgent,
  say,
  textOf,
  tryHear,
  tryHearFirst,
} from './two-agents.js';
import type { OneTime, Side, TestAgent } from './two-agents.js';

beforeAll(ready);

/** A part of a message: how many bytes, and with what a flip in them may be refused. */
type Part = readonly [bytes: number, ...codes: CryptoErrorCode[]];

const FRAME: Part = [4, 'MALFORMED'];
const HEADER_ONLY: readonly Part[] = [
  [32, 'BAD_HEADER', 'BAD_KEY'], // ratchet key
  [4 + 4 + 16, 'BAD_HEADER'], // PN, N, salt
];
const BODY: readonly Part[] = [
  [16, 'BAD_HEADER'], // tag of the header
  [256 + 16, 'BAD_CIPHERTEXT'],
];
const LATER: readonly Part[] = [FRAME, [16, 'UNKNOWN_SESSION'], ...HEADER_ONLY, ...BODY];
const FIRST_AGAIN: readonly Part[] = [
  FRAME,
  [16, 'UNKNOWN_SESSION'],
  ...HEADER_ONLY,
  [4 + 4, 'BAD_HEADER', 'MALFORMED'], // generation and signed prekey id, which are never 0
  [4 + 32 + 1088, 'BAD_HEADER'], // one-time prekey id, EK, ciphertext
  [32 + 32, 'SENDER_MISMATCH'], // identity keys
  ...BODY,
];
const FIRST: readonly Part[] = [
  FRAME,
  [16, 'BAD_SID'],
  ...HEADER_ONLY,
  [4, 'BAD_SID', 'MALFORMED'], // generation
  [4, 'UNKNOWN_PREKEY', 'MALFORMED'], // signed prekey id
  [4, 'UNKNOWN_PREKEY'], // one-time prekey id
  [32, 'BAD_SID', 'BAD_KEY'], // EK
  [1088, 'BAD_SID'],
  [32 + 32, 'BAD_SID', 'BAD_KEY'], // identity keys
  ...BODY,
];

/** The agent as it is, but counting how often it draws randomness. */
function counting(agent: TestAgent): { agent: TestAgent; draws: () => number } {
  let count = 0;
  const random = (length: number) => {
    count += 1;
    return agent.random(length);
  };
  return { agent: { ...agent, random }, draws: () => count };
}

/** Flips every bit; returns how many flips there were and which were not refused as they should. */
function flipAll(
  wire: Uint8Array,
  parts: readonly Part[],
  answer: (flipped: Uint8Array) => Opened | Refused,
): { readonly flips: number; readonly wrong: string[] } {
  const wrong: string[] = [];
  let bit = 0;
  for (const [bytes, ...codes] of parts) {
    for (const end = bit + 8 * bytes; bit < end; bit++) {
      const code = codeOf(answer(flipBit(wire, bit)));
      if (!codes.includes(code)) wrong.push(`bit ${bit & 7} of byte ${bit >> 3}: ${code}`);
    }
  }
  return { flips: bit, wrong };
}

/** Flips every bit of a message to an existing session. */
function expectEveryFlipRefused(side: Side, wire: Uint8Array, parts: readonly Part[]): void {
  const { agent, draws } = counting(side.me);
  const hearer = { ...side, me: agent };
  const before = encodeSession(side.session);
  const changes = freezeDeep([side.session, side.me.keyPair]);
  const result = flipAll(wire, parts, (flipped) => {
    const answer = tryHear(hearer, flipped);
    if (Buffer.compare(encodeSession(side.session), before) !== 0) {
      throw new TypeError('the session changed');
    }
    return answer;
  });
  expect(result).toEqual({ flips: 8 * wire.length, wrong: [] });
  expect(draws()).toBe(0);
  expect(changes()).toEqual([]);
}

const pair = () => established(makeAgent('alice'), makeAgent('bob'));

test('T-R2 bit-flips: all 2,912 bits of a later message on the current chain', () => {
  const { alice, bob } = pair();
  hear(bob, say(alice, 'first of the chain'));
  const wire = say(alice, 'on the current chain');
  expect(wire).toHaveLength(364);
  expectEveryFlipRefused(bob, wire, LATER);
  expect(textOf(hear(bob, wire))).toBe('on the current chain');
});

test('T-R2 bit-flips: all 2,912 bits of a message with a new ratchet key and skipped messages', () => {
  const { alice, bob } = pair();
  hear(bob, say(alice, 'heard'));
  say(alice, 'lost in the old chain');
  hear(alice, say(bob, 'turn'));
  say(alice, 'lost in the new chain');
  const wire = say(alice, 'under a new key');
  expect(wire).toHaveLength(364);
  expectEveryFlipRefused(bob, wire, LATER);
  expect(hear(bob, wire).session.skipped).toHaveLength(2);
});

test('T-R2 bit-flips: all 2,912 bits of a late message, whose key is kept apart', () => {
  const { alice, bob } = pair();
  const late = say(alice, 'late');
  hear(bob, say(alice, 'in time'));
  hear(alice, say(bob, 'turn'));
  hear(bob, say(alice, 'turn back'));
  expectEveryFlipRefused(bob, late, LATER);
  expect(textOf(hear(bob, late))).toBe('late');
});

test('T-R2 bit-flips: all 12,480 bits of a first message to a session that exists', () => {
  const alice = initiate(makeAgent('alice'), makeAgent('bob'));
  const { side: bob } = hearFirst(alice.peer, alice.me, say(alice, 'hello'));
  const wire = say(alice, 'hello again');
  expect(wire).toHaveLength(1560);
  expectEveryFlipRefused(bob, wire, FIRST_AGAIN);
  expect(textOf(hear(bob, wire))).toBe('hello again');
});

test.each(['with one-time prekey', 'without one-time prekey'] satisfies OneTime[])(
  'T-R2 bit-flips: all 12,480 bits of a first message %s to somebody who has no session',
  (oneTime) => {
    const { agent: bob, draws } = counting(makeAgent('bob'));
    const alice = initiate(makeAgent('alice'), bob, { oneTime });
    const wire = say(alice, 'hello');
    expect(wire).toHaveLength(1560);
    const prekeys = () => [bob.signed, bob.oneTime].map(encodePrekeyPair);
    const before = prekeys();
    const changes = freezeDeep([bob.keyPair, bob.signed, bob.oneTime]);
    const drawn = draws();
    const result = flipAll(wire, FIRST, (flipped) => tryHearFirst(bob, flipped));
    expect(result).toEqual({ flips: 12_480, wrong: [] });
    expect(draws()).toBe(drawn);
    expect(changes()).toEqual([]);
    expect(prekeys()).toEqual(before);
    expect(textOf(hearFirst(bob, alice.me, wire).opened)).toBe('hello');
  },
);
