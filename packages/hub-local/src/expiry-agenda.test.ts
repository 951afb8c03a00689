import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ExpiryAgenda } from './expiry-agenda.js';

const seed = Number(process.env['FC_SEED'] ?? Math.floor(Math.random() * 0x7fff_ffff));
const numRuns = Number(process.env['FC_RUNS'] ?? 500);

const step = fc.oneof(
  fc.record({ set: fc.nat(12), atMs: fc.nat(50) }),
  fc.record({ forget: fc.nat(12) }),
  fc.record({ takeAt: fc.nat(50) }),
);

/** Whether an agenda gives what a sorted list would give; takes it from both. */
function takesTheFirst(agenda: ExpiryAgenda, reference: Map<string, number>, nowMs: number) {
  const first = Math.min(...reference.values());
  const [expected = null] = [...reference].find(([, atMs]) => atMs === first) ?? [];
  const isDue = agenda.isDue(nowMs);
  const taken = agenda.take(nowMs);
  if (taken !== null) reference.delete(taken);
  return isDue === first <= nowMs && taken === (isDue ? expected : null);
}

test(`an agenda is a sorted list of its keys (${numRuns} runs, FC_SEED=${seed})`, () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const agenda = new ExpiryAgenda();
      const reference = new Map<string, number>();
      for (const one of steps) {
        if ('set' in one) {
          agenda.set(`${one.set}`, one.atMs);
          // A key that is set to another time comes behind those that have it already.
          if (reference.get(`${one.set}`) !== one.atMs) reference.delete(`${one.set}`);
          reference.set(`${one.set}`, one.atMs);
        } else if ('forget' in one) {
          agenda.delete(`${one.forget}`);
          reference.delete(`${one.forget}`);
        } else if (!takesTheFirst(agenda, reference, one.takeAt)) return false;
        if (agenda.size !== reference.size) return false;
      }
      return true;
    }),
    { seed, numRuns },
  );
});

test('a key that moves for ever takes no more memory than its neighbours', () => {
  const agenda = new ExpiryAgenda();
  for (let at = 0; at < 100_000; at++) agenda.set(`${at % 10}`, at);
  expect(agenda.size).toBe(10);
  expect(agenda.appointments).toBeLessThan(100);
});
