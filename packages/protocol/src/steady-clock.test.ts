import { expect, test } from '@jest/globals';
import { SteadyClock } from './steady-clock.js';

test('steps back and long steps forward do not count', () => {
  let now = 1_000;
  const steady = new SteadyClock(() => now);
  const readings = [1_000, 1_250, 900, 950, 950 + 3_600_000, 950 + 3_600_100].map((reading) => {
    now = reading;
    return steady.now();
  });
  expect(readings).toEqual([0, 250, 250, 300, 5_300, 5_400]);
});
