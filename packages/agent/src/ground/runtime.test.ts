import { afterEach, expect, jest, test } from '@jest/globals';
import { systemRuntime } from './runtime.js';

const DAY_MS = 86_400_000;

afterEach(() => void jest.useRealTimers());

test('a task that is due beyond the longest timer runs when it is due, and not at once', () => {
  jest.useFakeTimers();
  let runs = 0;
  systemRuntime.schedule(60 * DAY_MS, () => void (runs += 1));
  jest.advanceTimersByTime(59 * DAY_MS);
  expect(runs).toBe(0);
  jest.advanceTimersByTime(DAY_MS);
  expect(runs).toBe(1);
});

test('it can be cancelled at any step', () => {
  jest.useFakeTimers();
  let runs = 0;
  const cancel = systemRuntime.schedule(60 * DAY_MS, () => void (runs += 1));
  jest.advanceTimersByTime(40 * DAY_MS);
  cancel();
  jest.advanceTimersByTime(40 * DAY_MS);
  expect(runs).toBe(0);
});
