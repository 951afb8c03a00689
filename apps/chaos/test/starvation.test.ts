/** Time without a processor is summed over processes that come and go. */
import { expect, test } from '@jest/globals';
import { Starvation } from '../src/starvation.js';

test('counts whoever waited longest since the last look, from when it was made', () => {
  const first = { waitedMs: 100 };
  const second = { waitedMs: 0 };
  const children: { waitedMs: number }[] = [first, second];
  let nowMs = 0;
  const starved = new Starvation(
    () => children,
    () => nowMs,
  );
  starved.look();
  expect(starved.totalMs).toBe(0);
  nowMs = 1_000;
  first.waitedMs = 150;
  second.waitedMs = 70;
  starved.look();
  nowMs = 2_000;
  children.push({ waitedMs: 20 });
  starved.look();
  expect(starved.totalMs).toBe(90);
  // Never more than there was.
  nowMs = 2_010;
  first.waitedMs = 950;
  starved.look();
  expect(starved.totalMs).toBe(100);
});
