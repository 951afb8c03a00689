/**
 * Genuine messages in wrong places: sent back, in another session, to another peer, cut together.
 */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { concatBytes } from '../src/bytes.js';
import { encodeSession, parseMessage, ready } from '../src/index.js';
import { retag } from './forgery.js';
import { FIELD, withFields } from './prekey-block.js';
import { codeOf, expectRefused } from './refusal.js';
import {
  established,
  hear,
  hearFirst,
  initiate,
  makeAgent,
  say,
  textOf,
  tryHearFirst,
} from './two-agents.js';
import type { Side, TestAgent } from './two-agents.js';

beforeAll(ready);

const HEADER = 76;
const pair = () => established(makeAgent('alice'), makeAgent('bob'));

/** Two sessions of one pair, both heard in both directions. */
function twoSessions(alice: TestAgent, bob: TestAgent) {
  const first = established(alice, bob);
  const a: Side = initiate(alice, bob, { generation: 2 });
  const { side: b } = hearFirst(bob, alice, say(a, 'hello again'));
  hear(a, say(b, 'hello again'));
  return { first, second: { alice: a, bob: b as Side } };
}

describe('a message sent back to its sender', () => {
  test('T-R8 reflection: on a chain that is new to him, BAD_HEADER', () => {
    const { alice, bob } = pair();
    const wire = say(alice, 'for bob');
    expectRefused(alice, wire, 'BAD_HEADER');
    expect(textOf(hear(bob, wire))).toBe('for bob');
    expectRefused(alice, wire, 'BAD_HEADER');
  });

  test('T-R8 reflection: the same key on both sides does not make it heard', () => {
    const { alice } = pair();
    const wire = say(alice, 'for bob');
    const { sending, ratchet, ours, theirs } = alice.session;
    // A state in which Alice would take her own chain for Bob's: the aids in the tag still differ.
    const mirror = { ratchetKey: ratchet.publicKey, chainKey: sending.chainKey, next: 0 };
    const { headerKey } = sending;
    const receiving = { ...mirror, headerKey, direction: 'receive' } as const;
    if (alice.session.phase !== 'established') throw new TypeError('established session expected');
    alice.session = { ...alice.session, receiving };
    expectRefused(alice, wire, 'BAD_HEADER');
    const under = { headerKey, sender: theirs.aid, recipient: ours };
    expectRefused(alice, retag(wire, HEADER, under), 'BAD_CIPHERTEXT');
  });

  test('T-R8 reflection: a first message to an existing session, SENDER_MISMATCH', () => {
    const alice: Side = initiate(makeAgent('alice'), makeAgent('bob'));
    const wire = say(alice, 'hello');
    expectRefused(alice, wire, 'SENDER_MISMATCH');
    const { side: bob } = hearFirst(alice.peer, alice.me, wire);
    hear(alice, say(bob, 'hello back'));
    expectRefused(alice, wire, 'SENDER_MISMATCH');
  });
});

describe('a message of another session', () => {
  test('T-R9 cross-session: UNKNOWN_SESSION as it is, refused under the sid of this one', () => {
    const { first, second } = twoSessions(makeAgent('alice'), makeAgent('bob'));
    const wire = say(first.alice, 'in the first session');
    expectRefused(second.bob, wire, 'UNKNOWN_SESSION');
    const renamed = withFields(wire, { sid: second.bob.session.sid });
    expectRefused(second.bob, renamed, 'BAD_HEADER');
    expect(textOf(hear(first.bob, wire))).toBe('in the first session');
  });

  test('T-R9 cross-session: the header of one message and the body of another', () => {
    const { first, second } = twoSessions(makeAgent('alice'), makeAgent('bob'));
    hear(first.bob, say(first.alice, 'first of the chain'));
    const [one, two] = [say(first.alice, 'one'), say(first.alice, 'two')];
    const other = say(second.alice, 'other');
    const headed = (head: Uint8Array, body: Uint8Array) =>
      concatBytes(head.subarray(0, HEADER + 16), body.subarray(HEADER + 16));
    for (const body of [two, other]) {
      expectRefused(first.bob, headed(one, body), 'BAD_CIPHERTEXT');
    }
    expectRefused(second.bob, headed(other, one), 'BAD_CIPHERTEXT');
    // The tag of the body's own header does not fit either.
    const tagged = concatBytes(one.subarray(0, HEADER), two.subarray(HEADER));
    expectRefused(first.bob, tagged, 'BAD_HEADER');
    expect(textOf(hear(first.bob, two))).toBe('two');
    expect(textOf(hear(first.bob, one))).toBe('one');
    expect(textOf(hear(second.bob, other))).toBe('other');
  });

  test('T-R9 cross-session: the prekey block of one first message and the rest of another', () => {
    const [alice, bob] = [makeAgent('alice'), makeAgent('bob')];
    const one = say(initiate(alice, bob), 'one');
    const two = say(initiate(alice, bob), 'two');
    const blockFrom = FIELD.generation[0];
    const spliced = new Uint8Array(one);
    spliced.set(two.subarray(blockFrom, 1272), blockFrom);
    expect(codeOf(tryHearFirst(bob, spliced))).toBe('BAD_SID');
    const renamed = withFields(spliced, { sid: parseMessage(two).sid });
    expect(codeOf(tryHearFirst(bob, renamed))).toBe('BAD_HEADER');
  });
});

describe('a message of another peer', () => {
  test('T-R9 cross-peer: refused under the sid of this session', () => {
    const { alice, bob } = pair();
    const carol = established(makeAgent('carol'), bob.me).alice;
    const wire = say(carol, 'from carol');
    expectRefused(bob, wire, 'UNKNOWN_SESSION');
    expectRefused(bob, withFields(wire, { sid: bob.session.sid }), 'BAD_HEADER');
    hear(bob, say(alice, 'from alice'));
  });

  test("T-R9 cross-peer: Carol's prekey block on a session of Alice is SENDER_MISMATCH", () => {
    const bob = makeAgent('bob');
    const alice = initiate(makeAgent('alice'), bob);
    const { side } = hearFirst(bob, alice.me, say(alice, 'hello'));
    const ofCarol = say(initiate(makeAgent('carol'), bob), 'hello');
    const renamed = withFields(ofCarol, { sid: side.session.sid });
    expectRefused(side, renamed, 'SENDER_MISMATCH');
    const before = encodeSession(side.session);
    expect(textOf(hear(side, say(alice, 'from alice')))).toBe('from alice');
    expect(encodeSession(side.session)).not.toEqual(before);
  });

  test('T-R9 cross-peer: a first message for Bob is nothing to Carol, though her prekeys have the same ids', () => {
    const [alice, bob, carol] = [makeAgent('alice'), makeAgent('bob'), makeAgent('carol')];
    const wire = say(initiate(alice, bob), 'for bob');
    expect(codeOf(tryHearFirst(carol, wire))).toBe('BAD_SID');
    expect(tryHearFirst(bob, wire).ok).toBe(true);
  });
});
