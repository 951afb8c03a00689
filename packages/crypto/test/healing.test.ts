/** T-S5: a copy of a session's state is worth nothing once both sides have turned their keys. */
import { beforeAll, expect, test } from '@jest/globals';
import { decodeSession, encodeSession, ready } from '../src/index.js';
import { codeOf } from './refusal.js';
import { established, hear, makeAgent, say, textOf, tryHear } from './two-agents.js';
import type { Side } from './two-agents.js';

beforeAll(ready);

/** A thief who reads everything that is sent to the side whose state he copied. */
function thiefOf(side: Side): Side {
  const random = (length: number) => new Uint8Array(length).fill(7);
  const session = decodeSession(encodeSession(side.session));
  return { me: { ...side.me, random }, peer: side.peer, session };
}

function reads(thief: Side, wire: Uint8Array): boolean {
  const result = tryHear(thief, wire);
  // Even when he reads, his own next ratchet key is not the one that the victim makes.
  if (result.ok) thief.session = result.session;
  return result.ok;
}

test.each(['alice', 'bob'] as const)(
  'T-S5 healing: a copy of the state of %s opens nothing more after one round trip',
  (victim) => {
    const sides = established(makeAgent('alice'), makeAgent('bob'));
    const [stolen, other] =
      victim === 'alice' ? [sides.alice, sides.bob] : [sides.bob, sides.alice];
    const thief = thiefOf(stolen);
    const toVictim: Uint8Array[] = [];
    const read: boolean[] = [];
    for (let turn = 0; turn < 6; turn++) {
      for (const text of [`${turn} first`, `${turn} second`]) {
        const wire = say(other, text);
        toVictim.push(wire);
        read.push(reads(thief, wire));
        expect(textOf(hear(stolen, wire))).toBe(text);
      }
      hear(other, say(stolen, 'answer'));
    }
    // What was under the stolen key is open: at most one turn of the other side. Then never again.
    const healed = read.indexOf(false);
    expect(healed).toBeGreaterThan(0);
    expect(healed).toBeLessThanOrEqual(4);
    expect(read.slice(healed)).not.toContain(true);
    for (const wire of toVictim.slice(healed)) {
      expect(codeOf(tryHear(thief, wire))).toBe('BAD_HEADER');
    }
  },
);

test('T-S5 healing: a copy of the sending state forges no header after one round trip', () => {
  const { alice, bob } = established(makeAgent('alice'), makeAgent('bob'));
  const thief = thiefOf(alice);
  hear(alice, say(bob, 'turn'));
  hear(bob, say(alice, 'turn back'));
  hear(alice, say(bob, 'turn'));
  hear(bob, say(alice, 'turn back'));
  // The thief holds even the identity key: what he lacks is the session of today.
  const outdated = say(thief, 'in the name of alice');
  expect(['DUPLICATE', 'BAD_HEADER']).toContain(codeOf(tryHear(bob, outdated)));
  expect(textOf(hear(bob, say(alice, 'genuine')))).toBe('genuine');
});

test('T-S5 healing: a copy does not open what was heard before it was taken', () => {
  const { alice, bob } = established(makeAgent('alice'), makeAgent('bob'));
  const heard = Array.from({ length: 5 }, (_, i) => say(alice, `past ${i}`));
  for (const wire of heard) hear(bob, wire);
  const thief = thiefOf(bob);
  for (const wire of heard) expect(codeOf(tryHear(thief, wire))).toBe('DUPLICATE');
});
