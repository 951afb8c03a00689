/** What somebody without keys can do to a running session by sending frames: nothing. */
import { beforeAll, expect, test } from '@jest/globals';
import { encodeSession, ready } from '../src/index.js';
import { flipBit } from './forgery.js';
import { freezeDeep } from './frozen.js';
import { codeOf, expectRefused } from './refusal.js';
import { seededRandom } from './seeded-random.js';
import { established, hear, makeAgent, say, textOf, tryHear } from './two-agents.js';

beforeAll(ready);

const pair = () => established(makeAgent('alice'), makeAgent('bob'));

test('T-R3 forged-new-DH: 10,000 random ratchet keys among 100 genuine messages change nothing', () => {
  const { alice, bob } = pair();
  const noise = seededRandom('forger');
  const codes = new Set<string>();
  for (let round = 0; round < 100; round++) {
    if (round % 10 === 9) hear(alice, say(bob, 'turn'));
    const wire = say(alice, `genuine ${round}`);
    const before = encodeSession(bob.session);
    const changes = freezeDeep(bob.session);
    for (let i = 0; i < 100; i++) {
      const forged = new Uint8Array(wire);
      forged.set(noise(32), 20);
      // A PN that an authentic new chain could have, so that the key is really tried.
      if (i % 2 === 0) forged.set([0, 0, 1, 0, 0, 0, 0, i], 52);
      forged[51] = (forged[51] ?? 0) & 0x7f;
      codes.add(codeOf(tryHear(bob, forged)));
    }
    expect(changes()).toEqual([]);
    expect(Buffer.compare(encodeSession(bob.session), before)).toBe(0);
    expect(textOf(hear(bob, wire))).toBe(`genuine ${round}`);
  }
  expect([...codes]).toEqual(['BAD_HEADER']);
}, 60_000);

test('T-R3 forged-new-DH: ratchet keys that are no keys are BAD_KEY, and turn nothing', () => {
  const { alice, bob } = pair();
  const wire = say(alice, 'genuine');
  const P = `ed${'ff'.repeat(30)}7f`;
  const bad = ['00'.repeat(32), `01${'00'.repeat(31)}`, P, 'ff'.repeat(32)];
  for (const hex of bad) {
    const forged = new Uint8Array(wire);
    forged.set(Buffer.from(hex, 'hex'), 20);
    expectRefused(bob, forged, 'BAD_KEY');
  }
  hear(bob, wire);
});

test('T-R4 burn-skipped-key: a forged body for a skipped number leaves its key for the genuine one', () => {
  const { alice, bob } = pair();
  const late = [say(alice, 'late 0'), say(alice, 'late 1')];
  hear(bob, say(alice, 'in time'));
  hear(alice, say(bob, 'turn'));
  hear(bob, say(alice, 'next chain'));
  for (const [index, wire] of late.entries()) {
    for (let bit = 8 * 92; bit < 8 * wire.length; bit += 8) {
      expect(codeOf(tryHear(bob, flipBit(wire, bit)))).toBe('BAD_CIPHERTEXT');
    }
    expectRefused(bob, flipBit(wire, 8 * 92), 'BAD_CIPHERTEXT');
    expect(bob.session.skipped).toHaveLength(2 - index);
    expect(textOf(hear(bob, wire))).toBe(`late ${index}`);
  }
  expect(bob.session.skipped).toEqual([]);
});

test('T-R4 burn-skipped-key: a forged body far ahead skips nothing', () => {
  const { alice, bob } = pair();
  const wires = Array.from({ length: 50 }, (_, i) => say(alice, `message ${i}`));
  expectRefused(bob, flipBit(wires[49] ?? new Uint8Array(0), 8 * 92), 'BAD_CIPHERTEXT');
  expect(bob.session.skipped).toEqual([]);
  for (const [i, wire] of wires.entries()) expect(textOf(hear(bob, wire))).toBe(`message ${i}`);
});
