/** T-R7: late messages are heard as long as their chain is one of the last six, in any order. */
import { beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LIMITS, parseMessage, ready } from '../src/index.js';
import { expectRefused } from './refusal.js';
import { repeat } from './seed.js';
import { established, hear, makeAgent, say, textOf } from './two-agents.js';
import type { Side } from './two-agents.js';

beforeAll(ready);

const TURNS = 20;
const PER_TURN = 50;

/** One direction: what is under way, and what came out at the other end. */
interface Direction {
  readonly from: Side;
  readonly to: Side;
  readonly underWay: { readonly wire: Uint8Array; readonly turn: number }[];
  readonly heard: { readonly convSeq: number; readonly text: string }[];
  sent: number;
}

function direction(from: Side, to: Side): Direction {
  return { from, to, underWay: [], heard: [], sent: 0 };
}

function deliver(way: Direction, index: number): void {
  const [message] = way.underWay.splice(index, 1);
  if (message === undefined) throw new TypeError('nothing is under way');
  const opened = hear(way.to, message.wire);
  way.heard.push({ convSeq: opened.content.convSeq, text: textOf(opened) });
}

/** A random choice below a bound, from a list of fractions that is used in turn. */
function chooser(fractions: readonly number[]): (below: number) => number {
  let at = 0;
  return (below) => Math.floor((fractions[at++ % fractions.length] ?? 0) * below);
}

/** Sends 50 messages, and delivers some of all that is under way, the oldest chain whole. */
function takeTurn(way: Direction, turn: number, choose: (below: number) => number): void {
  for (let i = 0; i < PER_TURN; i++) {
    way.sent += 1;
    const wire = say(way.from, `message ${way.sent}`, { convSeq: way.sent });
    way.underWay.push({ wire, turn });
  }
  // A new chain must be heard of, or there is no turn.
  deliver(way, way.underWay.length - 1 - choose(PER_TURN));
  for (let i = choose(PER_TURN); i > 0; i--) deliver(way, choose(way.underWay.length));
  // Hearing of the next chain will forget this one.
  const last = turn - LIMITS.oldChains;
  for (;;) {
    const due = way.underWay.flatMap((message, index) => (message.turn <= last ? [index] : []));
    const index = due[choose(due.length)];
    if (index === undefined) return;
    deliver(way, index);
  }
}

const { title, parameters } = repeat(3);

test(`T-R7 reorder window: 2,000 messages over 20 turns in random order are all heard (${title})`, () => {
  const fraction = fc.integer({ min: 0, max: 9_999 }).map((n) => n / 10_000);
  const property = fc.property(
    fc.array(fraction, { minLength: 101, maxLength: 101 }),
    (fractions) => {
      const { alice, bob } = established(makeAgent('alice'), makeAgent('bob'));
      const ways = [direction(alice, bob), direction(bob, alice)];
      const choose = chooser(fractions);
      for (let turn = 0; turn < TURNS; turn++) {
        for (const way of ways) takeTurn(way, turn, choose);
      }
      for (const way of ways) {
        while (way.underWay.length > 0) deliver(way, choose(way.underWay.length));
        expect(way.heard).toHaveLength(TURNS * PER_TURN);
        const inOrder = way.heard.toSorted((a, b) => a.convSeq - b.convSeq);
        const sent = Array.from({ length: way.sent }, (_, i) => `message ${i + 1}`);
        expect(inOrder.map(({ text }) => text)).toEqual(sent);
        expect(way.to.session.skipped).toEqual([]);
      }
    },
  );
  fc.assert(property, parameters);
}, 60_000);

test('T-R7 reorder window: a message of the sixth chain back is refused, one of the fifth is heard', () => {
  const { alice, bob } = established(makeAgent('alice'), makeAgent('bob'));
  const late = Array.from({ length: 7 }, (_, chain) => {
    const wire = say(alice, `late in chain ${chain}`);
    hear(bob, say(alice, 'in time'));
    hear(alice, say(bob, 'turn'));
    return wire;
  });
  expect(new Set(late.map((wire) => parseMessage(wire).ratchetKey.toString())).size).toBe(7);
  const [sixth, fifth] = late;
  if (sixth === undefined || fifth === undefined) throw new TypeError('seven chains expected');
  expectRefused(bob, sixth, 'BAD_HEADER');
  expect(textOf(hear(bob, fifth))).toBe('late in chain 1');
});
