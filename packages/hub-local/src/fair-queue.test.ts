import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FairQueue } from './fair-queue.js';

/** Everything that is taken, in parts of `most` items and of `budget`. */
function takeAll<T>(
  queue: FairQueue<string, T>,
  most: number,
  budget = Infinity,
  ofOne = Infinity,
): T[][] {
  const parts: T[][] = [];
  while (queue.size > 0) parts.push(queue.take(most, budget, ofOne));
  return parts;
}

describe('the fair queue', () => {
  test('a sender of little is served in the next part, however much another has waiting', () => {
    const queue = new FairQueue<string, string>(4);
    for (let n = 0; n < 1_000; n++) queue.push('flood', 1, `f${n}`);
    queue.push('honest', 1, 'h');
    expect(queue.take(8, Infinity)).toContain('h');
  });

  test('fifty senders beside a flood get as much of each part as the flood', () => {
    const queue = new FairQueue<string, string>(1);
    for (let n = 0; n < 10_000; n++) queue.push('flood', 1, 'flood');
    for (let n = 0; n < 50; n++) {
      for (let k = 0; k < 10; k++) queue.push(`s${n}`, 1, `s${n}`);
    }
    for (let part = 0; part < 10; part++) {
      const taken = queue.take(51, Infinity);
      expect(new Set(taken).size).toBe(51);
    }
  });

  test('shares are of cost: who sends large items sends fewer of them', () => {
    const queue = new FairQueue<string, string>(10);
    for (let n = 0; n < 100; n++) queue.push('large', 10, 'large');
    for (let n = 0; n < 1_000; n++) queue.push('small', 1, 'small');
    const taken = queue.take(220, Infinity);
    expect(taken.filter((one) => one === 'large')).toHaveLength(20);
    expect(taken.filter((one) => one === 'small')).toHaveLength(200);
  });

  test('a part that others wait for takes a little of each, and all of who has little', () => {
    const queue = new FairQueue<string, string>(4);
    for (let n = 0; n < 1_000; n++) queue.push('flood', 1, 'flood');
    for (let n = 0; n < 1_000; n++) queue.push('other', 1, 'other');
    for (let n = 0; n < 5; n++) queue.push('honest', 1, 'honest');
    const taken = queue.take(512, Infinity, 64);
    const count = (sender: string) => taken.filter((one) => one === sender).length;
    expect([count('flood'), count('other'), count('honest')]).toEqual([64, 64, 5]);
    // Alone, an item that costs more than that goes all the same.
    const large = new FairQueue<string, string>(4);
    large.push('large', 1_000, 'large');
    expect(takeAll(large, 10, 10_000)).toEqual([['large']]);
  });

  test('items that are taken one by one come in the same turns', () => {
    const [one, many] = [0, 1].map(() => new FairQueue<string, string>(3)) as [
      FairQueue<string, string>,
      FairQueue<string, string>,
    ];
    const random = [5, 1, 9, 2, 2, 7, 1, 1, 12, 3];
    for (const queue of [one, many]) {
      for (let n = 0; n < 2_500; n++) {
        queue.push(`s${(random[n % 10] ?? 0) % 4}`, random[(n * 7) % 10] ?? 1, `${n}`);
      }
    }
    const taken: string[] = [];
    for (let next = one.takeOne(); next !== null; next = one.takeOne()) taken.push(next.item);
    expect(taken).toEqual(many.take(Infinity, Infinity));
    expect(one.size).toBe(0);
  });

  test('an item that costs more than a turn is not stuck', () => {
    const queue = new FairQueue<string, string>(1);
    queue.push('large', 1_000_000, 'large');
    queue.push('small', 1, 'small');
    expect(takeAll(queue, 10).flat()).toEqual(['small', 'large']);
  });

  test('nothing is lost or doubled, each sender keeps its order, and bounds hold', () => {
    const items = fc.array(fc.tuple(fc.nat(4), fc.integer({ min: 1, max: 40 })), {
      maxLength: 3_000,
    });
    fc.assert(
      fc.property(items, fc.integer({ min: 1, max: 30 }), fc.nat(60), (pushed, most, budget) => {
        const ofOne = budget % 3 === 0 ? 50 : Infinity;
        const queue = new FairQueue<string, { sender: number; at: number; cost: number }>(7);
        for (const [at, [sender, cost]] of pushed.entries()) {
          queue.push(`${sender}`, cost, { sender, at, cost });
        }
        const parts = takeAll(queue, most, budget + 1, ofOne);
        for (const part of parts) {
          expect(part.length).toBeLessThanOrEqual(most);
          const before = part.slice(0, -1).reduce((sum, { cost }) => sum + cost, 0);
          expect(before).toBeLessThanOrEqual(budget);
        }
        const all = parts.flat();
        expect(new Set(all.map(({ at }) => at)).size).toBe(pushed.length);
        for (let sender = 0; sender < 5; sender++) {
          const own = all.filter((one) => one.sender === sender).map(({ at }) => at);
          expect(own).toEqual(own.toSorted((a, b) => a - b));
        }
      }),
    );
  });
});
