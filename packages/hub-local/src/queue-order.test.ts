import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { waitingAfter } from './queue-order.js';

/** Counts what is looked at. */
class Counted extends Map<number, { readonly seq: number }> {
  steps = 0;

  override get(seq: number) {
    this.steps += 1;
    return super.get(seq);
  }

  override *values(): MapIterator<{ readonly seq: number }> {
    for (const one of super.values()) {
      this.steps += 1;
      yield one;
    }
  }
}

function queueOf(seqs: Iterable<number>): Counted {
  const waiting = new Counted();
  for (const seq of seqs) waiting.set(seq, { seq });
  return waiting;
}

describe('a queue from a number on', () => {
  test('T-A79 long-queue: what is in flight before it is not passed over at each reading', () => {
    const waiting = queueOf(Array.from({ length: 100_000 }, (_, n) => n + 1));
    for (let n = 0; n < 100; n++) {
      const [...found] = waitingAfter(waiting, { after: 99_990, lastSeq: 100_000 });
      expect(found).toHaveLength(10);
    }
    expect(waiting.steps).toBeLessThanOrEqual(1_000);
  });

  test('nor are numbers that are gone', () => {
    const waiting = queueOf([1, 1_000_000]);
    expect([...waitingAfter(waiting, { after: 1, lastSeq: 1_000_000 })]).toEqual([
      { seq: 1_000_000 },
    ]);
    expect(waiting.steps).toBeLessThanOrEqual(2);
  });

  test('it is the same queue either way', () => {
    const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 200 }), { maxLength: 200 });
    fc.assert(
      fc.property(numbers, fc.nat(210), fc.nat(50), (seqs, after, more) => {
        const sorted = seqs.toSorted((a, b) => a - b);
        const lastSeq = (sorted.at(-1) ?? 0) + more;
        const waiting = queueOf(sorted);
        const found = [...waitingAfter(waiting, { after, lastSeq })].map(({ seq }) => seq);
        expect(found).toEqual(sorted.filter((seq) => seq > after));
        expect(waiting.steps).toBeLessThanOrEqual(
          Math.min(sorted.length, Math.max(0, lastSeq - after)),
        );
      }),
    );
  });
});
