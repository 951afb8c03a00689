/** What is late among messages of several sources of one sender; the rest is in scenarios. */
import { expect, test } from '@jest/globals';
import { HandlingOrder } from './handling-order.js';
import type { Position } from './handling-order.js';

/** Messages that come in this order; says of each that then begins whether it is late. */
function run(came: Readonly<Record<string, Position>>, began: readonly string[]): string[] {
  const order = new HandlingOrder();
  for (const position of Object.values(came)) order.arrived(position);
  return began.filter((name) => {
    const position = came[name];
    return position !== undefined && order.begins(position);
  });
}

const of = (source: string, number: number, more: Partial<Position> = {}): Position => {
  return { source, number, sender: 'alice', ...more };
};

test('what waited for a missing one is late where what its sender sent after it began', () => {
  // A sender that was put back to an earlier copy writes to a former identity of ours.
  const put = { isFormer: true };
  const came = { old: of('a', 8), older: of('a', 7), new: of('b', 3, put), next: of('b', 4, put) };
  expect(run(came, ['new', 'older', 'old', 'next'])).toEqual(['new', 'older', 'old', 'next']);
});

test('what follows a change is not late, whatever of before began', () => {
  const came = {
    one: of('a', 1),
    last: of('a', 2, { isFormer: true }),
    after: of('b', 1),
    then: of('b', 2),
  };
  expect(run(came, ['one', 'last', 'after', 'then'])).toEqual([]);
  expect(run(came, ['one', 'after', 'last', 'then'])).toEqual(['last']);
});

test('within one source numbers count, however they came', () => {
  const came = { third: of('a', 3), second: of('a', 2), other: of('b', 1), fourth: of('a', 4) };
  expect(run(came, ['second', 'third', 'other', 'fourth'])).toEqual(['fourth']);
  expect(run(came, ['third', 'second'])).toEqual(['second']);
});

test('of a store that was put back it counts which run goes on from which, not its numbers', () => {
  const copied = { run: 'copied', boot: 7, atMs: 1_000 };
  const restored = { run: 'restored', boot: 5, atMs: 2_000, line: ['copied'] };
  const came = { lost: of('a', 8, copied), next: of('a', 6, restored), then: of('a', 7, restored) };
  expect(run(came, ['next', 'lost', 'then'])).toEqual(['lost']);
  expect(run(came, ['lost', 'next', 'then'])).toEqual([]);
});

test('of two runs that go on from a third one the earlier one is of the lost time', () => {
  const lost = of('a', 8, { run: 'lost', boot: 9, atMs: 1_000, line: ['copied'] });
  const next = of('a', 6, { run: 'restored', boot: 5, atMs: 2_000, line: ['copied'] });
  expect(run({ lost, next }, ['next', 'lost'])).toEqual(['lost']);
  expect(run({ lost, next }, ['lost', 'next'])).toEqual([]);
});

test('of runs of which nothing is known time decides, unless all else speaks against it', () => {
  const early = of('a', 3, { run: 'one', boot: 1, atMs: 5_000 });
  const late = of('a', 9, { run: 'six', boot: 6, atMs: 9_000 });
  // Its clock was set back.
  const back = of('a', 12, { run: 'nine', boot: 9, atMs: 4_000 });
  expect(run({ early, late, back }, ['late', 'early'])).toEqual(['early']);
  expect(run({ early, late, back }, ['back', 'late'])).toEqual(['late']);
});
