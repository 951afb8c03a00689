import { describe, expect, test } from '@jest/globals';
import { randomRuns } from '@agentmesh/hub-compliance';
import fc from 'fast-check';
import { AGENT_LIMITS } from '../ground/limits.js';
import { RowReader, RowWriter } from '../store/row-codec.js';
import {
  emptyWindow,
  giveUp,
  highest,
  isNew,
  missing,
  observe,
  partsOf,
  readFormerWindow,
  readWindow,
  withParts,
  writeWindow,
} from './sequence-window.js';
import type { SequenceWindow } from './sequence-window.js';

const instance = new Uint8Array(16).fill(3);
function after(
  numbers: readonly number[],
  start = emptyWindow({ since: 1, instance }),
): SequenceWindow {
  return numbers.reduce((window, number) => observe(window, { number, boot: 1 }).window, start);
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
          expect(isNew(window, n)).toBe(!all.has(n));
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

  test('holds the bound of its sparse set and says what it gives up', () => {
    const { sequenceSparse } = AGENT_LIMITS;
    const even = Array.from({ length: sequenceSparse }, (_, n) => 2 * n + 2);
    const full = after(even);
    expect(full.low).toBe(0);
    const next = 2 * sequenceSparse + 2;
    const { window, lost } = observe(full, { number: next, boot: 1 });
    expect(window.low).toBe(2);
    // Nothing was received without a hole before: that is where the conversation begins.
    expect(lost).toEqual([]);
    const more = observe(window, { number: next + 2, boot: 1 });
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
    expect(isNew(window, 6)).toBe(true);
    const late = after([6, 2, 12], window);
    expect(late.low).toBe(12);
    expect(late.givenUp).toEqual([
      { from: 3, to: 3 },
      { from: 5, to: 5 },
      { from: 7, to: 8 },
      { from: 10, to: 11 },
    ]);
    for (const number of [1, 2, 4, 6, 9, 12]) {
      expect(isNew(late, number)).toBe(false);
    }
  });

  test('remembers ranges that were given up within a bound, touching ones as one', () => {
    let window = after([1]);
    const { givenUpRanges } = AGENT_LIMITS;
    for (let number = 3; number <= 10; number++) ({ window } = giveUp(window, number));
    expect(window.givenUp).toEqual([{ from: 2, to: 10 }]);
    const even = Array.from({ length: givenUpRanges + 1 }, (_, n) => 2 * n + 12);
    ({ window } = giveUp(after(even, window), highest(after(even))));
    expect(window.givenUp).toHaveLength(givenUpRanges);
    expect(isNew(window, 2)).toBe(false);
    expect(isNew(window, 13)).toBe(true);
  });

  test('keeps a bounded number of parts, however far apart its numbers are', () => {
    const { sequenceParts } = AGENT_LIMITS;
    const far = (count: number) => Array.from({ length: count }, (_, n) => (n + 1) * 1_000);
    const full = after(far(sequenceParts));
    expect([full.low, partsOf(full).length]).toEqual([0, sequenceParts]);
    const { window } = observe(full, { number: (sequenceParts + 1) * 1_000, boot: 1 });
    expect(partsOf(window)).toHaveLength(sequenceParts);
    expect(isNew(window, 1_000)).toBe(false);
    expect(isNew(window, 2_000)).toBe(false);
    expect(window.low).toBeGreaterThan(1_000);
    expect(withParts(window, 0).window).toMatchObject({ seen: [], low: highest(window) });
    const row = new RowWriter();
    writeWindow(row, after(far(2 * sequenceParts).map((number) => number * 2 ** 32)));
    expect(row.finish().length).toBeLessThan(4_096);
  });

  test('is read back as it was written', () => {
    const { window } = giveUp(after([1, 2, 3, 9, 8, 700]), 6);
    const row = new RowWriter();
    writeWindow(row, window);
    const reader = new RowReader(row.finish(), 'window');
    expect(readWindow(reader, 10)).toEqual(window);
    reader.end();
  });

  test('is read back as earlier versions wrote it, with what they knew of messages', () => {
    const { window } = giveUp(after([1, 2, 3, 9, 8]), 6);
    const tags = window.seen.map((number) => ({ number, tag: new Uint8Array(5).fill(number) }));
    const head = () =>
      new RowWriter().u32(window.since).fixed(window.instance).u32(window.boot).u64(window.low);
    const ranges = (row: RowWriter) =>
      row.list(window.givenUp, ({ from, to }) => row.u64(from).u64(to));
    // Numbers and tags had eight bytes each, and nothing was said of runs.
    const second = (): RowWriter => {
      const row = head();
      const rest = Uint8Array.of(9, 9, 9);
      return row.list(tags, ({ number, tag }) => row.u64(number).fixed(tag).fixed(rest));
    };
    const bytes = second().finish();
    expect(readFormerWindow(new RowReader(bytes, 'window'), 2)).toEqual({
      window: { ...window, givenUp: [] },
      tags,
    });
    const third = ranges(second()).finish();
    expect(readFormerWindow(new RowReader(third, 'window'), 3)).toEqual({ window, tags });
    const seventh = head();
    let before = 0;
    seventh.list(tags, ({ number, tag }) => {
      seventh.varint(number - before).fixed(tag);
      before = number;
    });
    ranges(seventh).optional(null).u64(0);
    expect(readFormerWindow(new RowReader(seventh.finish(), 'window'), 7)).toEqual({
      window,
      tags,
    });
  });
});
