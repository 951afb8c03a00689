/** T-R11: counters end at 2^31, far below the wrap of u32; a session that reaches it is over. */
import { beforeAll, expect, test } from '@jest/globals';
import { decodeSession, encodeSession, LIMITS, parseMessage, ready } from '../src/index.js';
import type { CryptoSession, EstablishedSession } from '../src/index.js';
import { forge } from './forgery.js';
import { expectRefused, withCode } from './refusal.js';
import {
  established,
  hear,
  hearFirst,
  initiate,
  makeAgent,
  say,
  textOf,
  tryHear,
} from './two-agents.js';
import type { Side } from './two-agents.js';

beforeAll(ready);

const END = 2 ** 31;

/** Alice's chain to Bob as if `next` messages had been sent and heard, in both their states. */
function longChain(next: number): { alice: Side; bob: Side<EstablishedSession> } {
  const { alice, bob } = established(makeAgent('alice'), makeAgent('bob'));
  hear(bob, say(alice, 'first of the chain'));
  const { session } = bob;
  if (session.phase !== 'established') throw new TypeError('established session expected');
  alice.session = { ...alice.session, sending: { ...alice.session.sending, next } };
  const receiving = { ...session.receiving, next };
  return { alice, bob: { ...bob, session: { ...session, receiving } } };
}

function stored(session: CryptoSession): CryptoSession {
  return decodeSession(encodeSession(session));
}

test('T-R11 counter-end: message 2^31 - 1 is the last of its chain, and it is heard', () => {
  const { alice, bob } = longChain(END - 1);
  const last = say(alice, 'the last one');
  expect(parseMessage(last).number).toBe(END - 1);
  expect(textOf(hear(bob, last))).toBe('the last one');
  const before = encodeSession(alice.session);
  expect(() => say(alice, 'one too many')).toThrow(withCode('SESSION_EXHAUSTED'));
  expect(encodeSession(alice.session)).toEqual(before);
  expectRefused(bob, last, 'DUPLICATE');
});

test('T-R11 counter-end: a full session is stored and read back, and still seals nothing', () => {
  const { alice, bob } = longChain(END - 1);
  hear(bob, say(alice, 'the last one'));
  alice.session = stored(alice.session);
  expect(alice.session.sending.next).toBe(END);
  expect(encodeSession(stored(bob.session))).toEqual(encodeSession(bob.session));
  expect(() => say(alice, 'one too many')).toThrow(withCode('SESSION_EXHAUSTED'));
});

test('T-R11 counter-end: an answer to a full chain does not open it again: PN would be 2^31', () => {
  const { alice, bob } = longChain(END - 1);
  hear(bob, say(alice, 'the last one'));
  hear(alice, say(bob, 'turn'));
  expect(alice.session.previousLength).toBe(END);
  expect(() => say(alice, 'one too many')).toThrow(withCode('SESSION_EXHAUSTED'));
});

test('T-R11 counter-end: PN = 2^31 - 1 is sealed and heard', () => {
  const { alice, bob } = longChain(END - 1);
  hear(alice, say(bob, 'turn'));
  const wire = say(alice, 'in the next chain');
  expect(parseMessage(wire).previousLength).toBe(END - 1);
  expect(textOf(hear(bob, wire))).toBe('in the next chain');
});

test('T-R11 counter-end: a full session is replaced by one of the next generation', () => {
  const { alice, bob } = longChain(END);
  const { generation } = alice.session;
  const next = initiate(alice.me, alice.peer, { generation: generation + 1 });
  const { side } = hearFirst(bob.me, alice.me, say(next, 'in a new session'));
  expect(side.session.generation).toBe(generation + 1);
  expect(textOf(hear(next, say(side, 'heard')))).toBe('heard');
});

test.each([END, END + 1, 0xffff_ffff])(
  'T-R11 counter-end: an authentic N of %d is TOO_FAR, however near it is',
  (number) => {
    const { alice, bob } = longChain(number);
    const wire = forge({ session: alice.session, signer: alice.me.keyPair, number });
    expectRefused(bob, wire, 'TOO_FAR');
    bob.session = { ...bob.session, receiving: { ...bob.session.receiving, next: number - 1 } };
    expectRefused(bob, wire, 'TOO_FAR');
  },
);

test.each([END, END + 10, 0xffff_ffff])(
  'T-R11 counter-end: an authentic PN of %d is TOO_FAR, however near it is',
  (previousLength) => {
    const { alice, bob } = longChain(Math.min(END - 5, previousLength));
    hear(alice, say(bob, 'turn'));
    bob.session = {
      ...bob.session,
      receiving: { ...bob.session.receiving, next: previousLength - 1 },
    };
    const wire = forge({ session: alice.session, signer: alice.me.keyPair, previousLength });
    expectRefused(bob, wire, 'TOO_FAR');
  },
);

test('T-R11 counter-end: the limit is the one of the specification', () => {
  expect(LIMITS.maxMessageNumber).toBe(END);
  const { alice, bob } = longChain(END - 2);
  expect(tryHear(bob, say(alice, 'one before the last')).ok).toBe(true);
});
