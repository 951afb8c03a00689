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
          const splitter = new LineSplitter(10_000);
          const out: string[] = [];
          for (let at = 0; at < stream.length;) {
            const size = sizes.next().value;
            const split = splitter.feed(stream.subarray(at, at + size));
            if (!split.ok) throw new Error(split.what);
            out.push(...split.lines);
            at += size;
          }
          expect(out).toEqual(lines);
        },
      ),
      { seed: SEED, numRuns: 500 },
    );
  });

  test('a line of exactly the limit passes, one byte more does not', () => {
    const line = new Uint8Array(10).fill(0x61);
    expect(new LineSplitter(10).feed(Uint8Array.of(...line, 0x0a))).toEqual({
      ok: true,
      lines: ['aaaaaaaaaa'],
    });
    expect(new LineSplitter(9).feed(Uint8Array.of(...line, 0x0a)).ok).toBe(false);
    expect(new LineSplitter(9).feed(line).ok).toBe(false);
  });

  test('bytes that are not UTF-8 are refused, not repaired', () => {
    expect(new LineSplitter(9).feed(Uint8Array.of(0xff, 0x0a)).ok).toBe(false);
  });
});
