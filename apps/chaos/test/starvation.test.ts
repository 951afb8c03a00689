/** Time without a processor is summed over processes that come and go. */
import { expect, test } from '@jest/globals';
import { Starvation } from '../src/starvation.js';

test('counts the thread that waited longest since the last look, from when it was made', () => {
  const first = { waits: new Map([['1', 100]]) };
  const second = { waits: new Map([['2', 0]]) };
  const children: { waits: Map<string, number> }[] = [first, second];
  let nowMs = 0;
  const starved = new Starvation(
    () => children,
    () => nowMs,
  );
  starved.look();
  expect(starved.totalMs).toBe(0);
  nowMs = 1_000;
  first.waits = new Map([['1', 150]]);
  second.waits = new Map([
    ['2', 0],
    ['3', 70],
  ]);
  starved.look();
  nowMs = 2_000;
  children.push({ waits: new Map([['4', 20]]) });
  starved.look();
  expect(starved.totalMs).toBe(90);
  // Never more than there was.
  nowMs = 2_010;
  first.waits = new Map([['1', 950]]);
  starved.look();
  expect(starved.totalMs).toBe(100);
});
