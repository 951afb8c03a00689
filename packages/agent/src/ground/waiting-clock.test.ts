import { expect, test } from '@jest/globals';
import { waitingClock } from './waiting-clock.js';

test('a clock that is set back goes on from where it was', () => {
  let nowMs = 10_000;
  const clock = waitingClock(() => nowMs);
  const at = (ms: number): number => {
    nowMs = ms;
    return clock();
  };
  expect([at(10_500), at(1_000), at(1_200), at(500), at(501)]).toEqual([
    10_500, 10_500, 10_700, 10_700, 10_701,
  ]);
});
