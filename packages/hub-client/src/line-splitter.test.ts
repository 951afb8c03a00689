import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LineSplitter } from './line-splitter.js';

const SEED = Number(process.env['FC_SEED'] ?? Date.now() & 0x7fff_ffff);

describe('LineSplitter', () => {
  test(`lines come out whole however the stream was cut (seed ${SEED})`, () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme' }).filter((line) => !line.includes('\n'))),
        fc.infiniteStream(fc.integer({ min: 1, max: 9 })),
        (lines, sizes) => {
          const stream = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(''));
          const splitter = new LineSplitter(() => 10_000);
          const out: string[] = [];
          for (let at = 0; at < stream.length;) {
            const size = sizes.next().value;
            const what = splitter.feed(stream.subarray(at, at + size), (line) => out.push(line));
            if (what !== null) throw new Error(what);
            at += size;
          }
          expect(out).toEqual(lines);
        },
      ),
      { seed: SEED, numRuns: 500 },
    );
  });

  const linesOf = (limit: number, bytes: Uint8Array): string[] | null => {
    const lines: string[] = [];
    const what = new LineSplitter(() => limit).feed(bytes, (line) => lines.push(line));
    return what === null ? lines : null;
  };

  test('a line of exactly the limit passes, one byte more does not', () => {
    const line = new Uint8Array(10).fill(0x61);
    expect(linesOf(10, Uint8Array.of(...line, 0x0a))).toEqual(['aaaaaaaaaa']);
    expect(linesOf(9, Uint8Array.of(...line, 0x0a))).toBeNull();
    expect(linesOf(9, line)).toBeNull();
  });

  test('bytes that are not UTF-8 are refused, not repaired', () => {
    expect(linesOf(9, Uint8Array.of(0xff, 0x0a))).toBeNull();
  });

  test('an unfinished line in pieces of one byte takes the memory of one line', () => {
    const splitter = new LineSplitter(() => 100_000);
    const piece = Uint8Array.of(0x20);
    let highest = 0;
    let fed = 0;
    while (splitter.feed(piece, () => undefined) === null) {
      fed += 1;
      highest = Math.max(highest, splitter.capacity);
    }
    expect(fed).toBe(100_000);
    expect(highest).toBeLessThanOrEqual(200_000);
  });
});
