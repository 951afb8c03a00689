import { describe, expect, test } from '@jest/globals';
import { randomRuns } from '@agentmesh/hub-compliance';
import fc from 'fast-check';
import { AGENT_LIMITS } from '../ground/limits.js';
import { RowReader, RowWriter } from '../store/row-codec.js';
import {
  emptyWindow,
  giveUp,
  highest,
  missing,
  noveltyOf,
  observe,
  readWindow,
  writeWindow,
} from './sequence-window.js';
import type { SequenceWindow } from './sequence-window.js';

const instance = new Uint8Array(16).fill(3);
const idOf = (n: number, salt = 0): Uint8Array => {
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(0, n);
  id[4] = salt;
  return id;
};

function after(
  numbers: readonly number[],
  start = emptyWindow({ since: 1, instance }),
): SequenceWindow {
  return numbers.reduce(
    (window, number) => observe(window, { number, msgId: idOf(number), boot: 1 }).window,
    start,
  );
}

const { seed, numRuns } = randomRuns(200);

describe('the window of received numbers', () => {
  test('moves its mark over what comes without a hole, and names the holes', () => {
    const window = after([1, 2, 5, 7]);
    expect([window.low, highest(window)]).toEqual([2, 7]);
    expect(missing(window, 64)).toEqual([
      { from: 3, to: 4 },
      { from: 6, to: 6 },
    ]);
    expect(missing(window, 1)).toEqual([{ from: 3, to: 4 }]);
    expect(after([4, 3, 6], window).low).toBe(7);
  });

  test(`agrees with a set of numbers in any order (seed ${seed}, ${numRuns} runs)`, () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 200 })), (numbers) => {
        const window = after(numbers);
        const all = new Set(numbers);
        for (let n = 1; n <= 201; n++) {
          expect(noveltyOf(window, n, idOf(n)) === 'new').toBe(!all.has(n));
        }
        let low = 0;
        while (all.has(low + 1)) low += 1;
        expect(window.low).toBe(low);
        const holes = missing(window, Infinity).flatMap(({ from, to }) =>
          Array.from({ length: to - from + 1 }, (_, i) => from + i),
        );
        const top = Math.max(0, ...numbers);
        const expected = Array.from({ length: top }, (_, i) => i + 1).filter((n) => !all.has(n));
        expect(holes).toEqual(expected);
      }),
      { seed, numRuns },
    );
  });

  test('tells a repeat from another message with the same number, as far as it remembers', () => {
    const window = after(Array.from({ length: 100 }, (_, n) => n + 1));
    expect(noveltyOf(window, 100, idOf(100))).toBe('duplicate');
    expect(noveltyOf(window, 100, idOf(100, 1))).toBe('conflict');
    expect(noveltyOf(window, 100 - AGENT_LIMITS.sequenceRecent + 1, idOf(0, 1))).toBe('conflict');
    expect(noveltyOf(window, 100 - AGENT_LIMITS.sequenceRecent, idOf(0, 1))).toBe('duplicate');
    expect(noveltyOf(window, 101, idOf(101))).toBe('new');
  });

  test('holds the bound of its sparse set and says what it gives up', () => {
    const { sequenceSparse } = AGENT_LIMITS;
    const even = Array.from({ length: sequenceSparse }, (_, n) => 2 * n + 2);
    const full = after(even);
    expect(full.low).toBe(0);
    const next = 2 * sequenceSparse + 2;
    const { window, lost } = observe(full, { number: next, msgId: idOf(next), boot: 1 });
    expect(window.low).toBe(2);
    // Nothing was received without a hole before: that is where the conversation begins.
    expect(lost).toEqual([]);
    const more = observe(window, { number: next + 2, msgId: idOf(next + 2), boot: 1 });
    expect(more.lost).toEqual([{ from: 3, to: 3 }]);
    expect(more.window.givenUp).toEqual([
      { from: 1, to: 1 },
      { from: 3, to: 3 },
    ]);
  });

  test('a floor settles what will not come; below the mark it changes nothing', () => {
    const window = after([1, 4, 9]);
    expect(giveUp(window, 1)).toEqual({ window, lost: [] });
    const { window: raised, lost } = giveUp(window, 6);
    expect(raised.low).toBe(6);
    expect(lost).toEqual([
      { from: 2, to: 3 },
      { from: 5, to: 6 },
    ]);
    expect(giveUp(window, 20).lost.at(-1)).toEqual({ from: 10, to: 20 });
    expect(giveUp(emptyWindow({ since: 1, instance }), 57)).toMatchObject({
      window: { low: 57 },
      lost: [],
    });
  });

  test('takes what was given up when it comes after all, once', () => {
    const { window } = giveUp(after([1, 4, 9]), 12);
    expect(window.givenUp).toEqual([
      { from: 2, to: 3 },
      { from: 5, to: 8 },
      { from: 10, to: 12 },
    ]);
    expect(noveltyOf(window, 6, idOf(6))).toBe('new');
    const late = after([6, 2, 12], window);
    expect(late.low).toBe(12);
    expect(late.givenUp).toEqual([
      { from: 3, to: 3 },
      { from: 5, to: 5 },
      { from: 7, to: 8 },
      { from: 10, to: 11 },
    ]);
    for (const number of [1, 2, 4, 6, 9, 12]) {
      expect(noveltyOf(late, number, idOf(number))).toBe('duplicate');
    }
    expect(noveltyOf(late, 6, idOf(6, 1))).toBe('conflict');
  });

  test('remembers ranges that were given up within a bound, touching ones as one', () => {
    let window = after([1]);
    const { givenUpRanges } = AGENT_LIMITS;
    for (let number = 3; number <= 10; number++) ({ window } = giveUp(window, number));
    expect(window.givenUp).toEqual([{ from: 2, to: 10 }]);
    const even = Array.from({ length: givenUpRanges + 1 }, (_, n) => 2 * n + 12);
    ({ window } = giveUp(after(even, window), highest(after(even))));
    expect(window.givenUp).toHaveLength(givenUpRanges);
    expect(noveltyOf(window, 2, idOf(2))).toBe('duplicate');
    expect(noveltyOf(window, 13, idOf(13))).toBe('new');
  });

  test('is read back as it was written, also by an earlier version', () => {
    const { window } = giveUp(after([1, 2, 3, 9, 8]), 6);
    const row = new RowWriter();
    writeWindow(row, window);
    const reader = new RowReader(row.finish(), 'window');
    expect(readWindow(reader, 7)).toEqual(window);
    reader.end();
    // Numbers and tags had eight bytes each, and nothing was said of runs.
    const former = (): RowWriter => {
      const written = new RowWriter().u32(window.since).fixed(window.instance).u32(window.boot);
      written.u64(window.low);
      return written.list(window.seen, ({ number, tag }) =>
        written
          .u64(number)
          .fixed(tag)
          .fixed(Uint8Array.of(9, 9, 9)),
      );
    };
    const without = former().finish();
    expect(readWindow(new RowReader(without, 'window'), 2)).toEqual({ ...window, givenUp: [] });
    const withRanges = former();
    withRanges.list(window.givenUp, ({ from, to }) => withRanges.u64(from).u64(to));
    expect(readWindow(new RowReader(withRanges.finish(), 'window'), 3)).toEqual(window);
  });

  test('takes few bytes: one for a number and five for its message', () => {
    const size = (numbers: readonly number[]): number => {
      const row = new RowWriter();
      writeWindow(row, after(numbers));
      return row.finish().length;
    };
    const every = Array.from({ length: 2_000 }, (_, n) => 2 * n + 2);
    expect(size(every) - size([])).toBe(2_000 * 6);
  });
});
