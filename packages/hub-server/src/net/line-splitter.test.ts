import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LineSplitter } from './line-splitter.js';
import type { Line } from './line-splitter.js';

const seed = Number(process.env['FC_SEED'] ?? Date.now() % 2 ** 31);

/** Feeds a text in pieces that end at the given places. */
function linesOf(text: string, cuts: readonly number[], maxLength = 40): Line[] {
  const splitter = new LineSplitter(() => maxLength);
  const bytes = Buffer.from(text, 'latin1');
  const lines: Line[] = [];
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    splitter.feed(bytes.subarray(from, cut), (line) => lines.push(line));
    from = cut;
  }
  return lines;
}

describe('LineSplitter', () => {
  test('gives the same lines however the stream is cut, at every byte too', () => {
    const text = '\n{"a":1}\r\n\n{"b":2}\n\u00e9\u0000\nhalf';
    const expected = ['{"a":1}', '', '{"b":2}', '\u00e9\u0000'];
    expect(linesOf(text, [])).toEqual(expected);
    for (let cut = 1; cut < text.length; cut++) expect(linesOf(text, [cut])).toEqual(expected);
    const everywhere = Array.from({ length: text.length - 1 }, (_, at) => at + 1);
    expect(linesOf(text, everywhere)).toEqual(expected);
  });

  test('passes over the first line if it is empty, and no other', () => {
    expect(linesOf('\n\n\nx\n', [])).toEqual(['', '', 'x']);
    expect(linesOf('\r\nx\n\r\n', [])).toEqual(['x', '']);
    expect(linesOf('x\n\n', [])).toEqual(['x', '']);
  });

  test('looks at nothing more once it is stopped, not even at what came with the last line', () => {
    const splitter = new LineSplitter(() => 40);
    const lines: Line[] = [];
    const take = (line: Line): void => {
      lines.push(line);
      if (lines.length === 2) splitter.stop();
    };
    splitter.feed(Buffer.from('a\nb\nc\nd'), take);
    splitter.feed(Buffer.from('e\nf'), take);
    expect(lines).toEqual(['a', 'b']);
    expect(splitter.held).toBe(0);
  });

  test('takes a line of the limit and refuses one byte more, once', () => {
    expect(linesOf(`${'a'.repeat(40)}\n`, [])).toEqual(['a'.repeat(40)]);
    for (const cuts of [[], [1], [20], [40], [41], [5, 10, 30, 41]]) {
      expect(linesOf(`${'a'.repeat(41)}\nb\n`, cuts)).toEqual([null, 'b']);
    }
    expect(linesOf(`${'a'.repeat(4_000)}\nb\n`, [100, 200, 3_000])).toEqual([null, 'b']);
  });

  test('asks for the limit anew, since it grows with authentication', () => {
    let limit = 2;
    const splitter = new LineSplitter(() => limit);
    const lines: Line[] = [];
    splitter.feed(Buffer.from('aa\naaa\n'), (line) => lines.push(line));
    limit = 3;
    splitter.feed(Buffer.from('aaa\n'), (line) => lines.push(line));
    expect(lines).toEqual(['aa', null, 'aaa']);
  });

  test('keeps at most twice the limit, whatever the size of the pieces', () => {
    const splitter = new LineSplitter(() => 100_000);
    const lines: Line[] = [];
    for (let n = 0; n < 300_000; n++) {
      splitter.feed(Buffer.from('a'), (line) => lines.push(line));
      if (splitter.held > 200_000) break;
    }
    expect(splitter.held).toBe(0);
    expect(lines).toEqual([null]);
  });

  test(`is the plain splitting of the whole text (seed ${seed}, 500 runs)`, () => {
    const piece = fc.stringMatching(/^[a-c\n]{0,12}$/);
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const splitter = new LineSplitter(() => 10);
        const lines: Line[] = [];
        for (const text of pieces) splitter.feed(Buffer.from(text), (line) => lines.push(line));
        const whole = pieces.join('').split('\n');
        const rest = whole.pop() ?? '';
        const expected: Line[] = whole.map((line) => (line.length > 10 ? null : line));
        if (expected[0] === '') expected.shift();
        expect(lines).toEqual(rest.length > 10 ? [...expected, null] : expected);
      }),
      { seed, numRuns: 500 },
    );
  });
});
