/**
 * A message that is heard is never heard again: first ones by their sid, later ones by their key.
 */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { decodeSession, encodeSession, ready, toHex } from '../src/index.js';
import type { PrekeyLookup } from '../src/index.js';
import { flipBit } from './forgery.js';
import { FIELD } from './prekey-block.js';
import { codeOf, expectRefused } from './refusal.js';
import {
  DAY,
  established,
  hear,
  hearFirst,
  initiate,
  makeAgent,
  NOW,
  prekeysOf,
  say,
  textOf,
  tryHearFirst,
} from './two-agents.js';
import type { OneTime, Side } from './two-agents.js';

beforeAll(ready);

/** What an agent's store keeps of first messages: sids for good, one-time prekeys until used. */
function storeOf(bob: ReturnType<typeof makeAgent>) {
  const sids = new Set<string>();
  let oneTimeLeft = true;
  const asked: string[] = [];
  const prekeys: PrekeyLookup = {
    signed(id) {
      asked.push(`signed ${id}`);
      return prekeysOf(bob).signed(id);
    },
    oneTime(id) {
      asked.push(`one-time ${id}`);
      return oneTimeLeft ? prekeysOf(bob).oneTime(id) : null;
    },
  };
  const isKnownSid = (sid: Uint8Array) => sids.has(toHex(sid));
  return {
    asked,
    hear: (wire: Uint8Array, nowMs = NOW) =>
      tryHearFirst(bob, wire, { prekeys, isKnownSid, nowMs }),
    commit(sid: Uint8Array, oneTimePrekeyId: number) {
      sids.add(toHex(sid));
      if (oneTimePrekeyId !== 0) oneTimeLeft = false;
    },
    forgetSids: () => sids.clear(),
  };
}

/** Bob hears Alice's first message and commits it. */
function heardFirst(oneTime: OneTime) {
  const bob = makeAgent('bob');
  const alice = initiate(makeAgent('alice'), bob, { oneTime });
  const wire = say(alice, 'hello');
  const store = storeOf(bob);
  const opened = store.hear(wire);
  if (!opened.ok) throw opened.error;
  store.commit(opened.session.sid, opened.oneTimePrekeyId);
  store.asked.length = 0;
  const side: Side = { me: bob, peer: alice.me, session: opened.session };
  return { alice, bob: side, wire, store };
}

describe('a first message that was heard', () => {
  test('T-H1 replay-initial-with-OPK: DUPLICATE as a new session, before any prekey is looked up', () => {
    const { store, wire } = heardFirst('with one-time prekey');
    expect(codeOf(store.hear(wire))).toBe('DUPLICATE');
    expect(store.asked).toEqual([]);
  });

  test('T-H1 replay-initial-with-OPK: without its sid remembered the used prekey refuses it', () => {
    const { store, wire } = heardFirst('with one-time prekey');
    store.forgetSids();
    expect(codeOf(store.hear(wire))).toBe('UNKNOWN_PREKEY');
  });

  test('T-H2 replay-initial-without-OPK: DUPLICATE as a new session, for as long as its prekey lives', () => {
    const { store, wire } = heardFirst('without one-time prekey');
    expect(codeOf(store.hear(wire))).toBe('DUPLICATE');
    expect(codeOf(store.hear(wire, NOW + 10 * DAY))).toBe('DUPLICATE');
    // The remembered sid is what refuses it: nothing else could before the prekey expires.
    store.forgetSids();
    expect(store.hear(wire, NOW + 10 * DAY).ok).toBe(true);
    expect(codeOf(store.hear(wire, NOW + 10 * DAY + 1))).toBe('UNKNOWN_PREKEY');
  });

  test('T-H2 replay-initial-without-OPK: a later message with the block is DUPLICATE as a new session', () => {
    const { alice, store } = heardFirst('without one-time prekey');
    expect(codeOf(store.hear(say(alice, 'hello again')))).toBe('DUPLICATE');
  });

  test('T-H3 replay-initial-after-deletion: DUPLICATE without a session, also under another sid', () => {
    const { store, wire } = heardFirst('without one-time prekey');
    expect(codeOf(store.hear(wire))).toBe('DUPLICATE');
    expect(codeOf(store.hear(flipBit(wire, 8 * FIELD.sid[0])))).toBe('BAD_SID');
  });

  test.each(['with one-time prekey', 'without one-time prekey'] satisfies OneTime[])(
    'T-H1 replay-initial: DUPLICATE in its session, also after a restart and after an answer (%s)',
    (oneTime) => {
      const { alice, bob, wire } = heardFirst(oneTime);
      expectRefused(bob, wire, 'DUPLICATE');
      bob.session = decodeSession(encodeSession(bob.session));
      expectRefused(bob, wire, 'DUPLICATE');
      hear(alice, say(bob, 'heard'));
      hear(bob, say(alice, 'turned'));
      expectRefused(bob, wire, 'DUPLICATE');
    },
  );
});

describe('a later message that was heard', () => {
  const restart = (side: Side) => {
    side.session = decodeSession(encodeSession(side.session));
  };
  const pair = () => established(makeAgent('alice'), makeAgent('bob'));

  test('T-R1 duplicate: DUPLICATE at once, after a restart and 30 days later', () => {
    const { alice, bob } = pair();
    const wire = say(alice, 'once');
    hear(bob, wire);
    expectRefused(bob, wire, 'DUPLICATE');
    restart(bob);
    expectRefused(bob, wire, 'DUPLICATE');
    expectRefused(bob, wire, 'DUPLICATE', NOW + 30 * DAY);
  });

  test('T-R1 duplicate: DUPLICATE after its chain was left, and refused after it was forgotten', () => {
    const { alice, bob } = pair();
    const wire = say(alice, 'once');
    hear(bob, wire);
    for (let turns = 0; turns < 6; turns++) {
      hear(alice, say(bob, 'turn'));
      hear(bob, say(alice, 'turn back'));
      expectRefused(bob, wire, turns < 5 ? 'DUPLICATE' : 'BAD_HEADER');
    }
  });

  test('T-R1 duplicate: a late message is heard once', () => {
    const { alice, bob } = pair();
    const late = say(alice, 'late');
    hear(bob, say(alice, 'in time'));
    restart(bob);
    expect(textOf(hear(bob, late))).toBe('late');
    expectRefused(bob, late, 'DUPLICATE');
    restart(bob);
    expectRefused(bob, late, 'DUPLICATE');
  });

  test('T-R1 duplicate: a first answer, heard again, is DUPLICATE', () => {
    const alice: Side = initiate(makeAgent('alice'), makeAgent('bob'));
    const { side: bob } = hearFirst(alice.peer, alice.me, say(alice, 'hello'));
    const answer = say(bob, 'hello back');
    hear(alice, answer);
    expectRefused(alice, answer, 'DUPLICATE');
  });

  test('T-R1 duplicate: content sealed again is a message of its own, with the same id inside', () => {
    const { alice, bob } = pair();
    const msgId = new Uint8Array(16).fill(9);
    const first = hear(bob, say(alice, 'retried', { msgId, convSeq: 5 }));
    const second = hear(bob, say(alice, 'retried', { msgId, convSeq: 5 }));
    expect(second.contentBytes).toEqual(first.contentBytes);
  });
});
