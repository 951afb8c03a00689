import { expect, test } from '@jest/globals';
import { TokenBuckets } from './token-buckets.js';

test('a bucket gives its burst, then its rate, and never holds more than its burst', () => {
  const buckets = new TokenBuckets({ perSecond: 2, burst: 3 });
  const takes = (nowMs: number, times: number) =>
    Array.from({ length: times }, () => buckets.take('a', 1, nowMs));
  expect(takes(0, 4)).toEqual([true, true, true, false]);
  expect(buckets.waitMs('a', 1, 0)).toBe(500);
  expect(takes(500, 2)).toEqual([true, false]);
  expect(takes(1_000_000, 4)).toEqual([true, true, true, false]);
  expect(buckets.take('b', 3, 0)).toBe(true);
});

test('an amount above the burst passes from a full bucket and leaves a debt', () => {
  const buckets = new TokenBuckets({ perSecond: 10, burst: 10 });
  expect(buckets.take('a', 25, 0)).toBe(true);
  expect(buckets.waitMs('a', 1, 0)).toBe(1_600);
  expect(buckets.take('a', 1, 1_599)).toBe(false);
  expect(buckets.take('a', 1, 1_600)).toBe(true);
});

test('full buckets are forgotten, others are not', () => {
  const buckets = new TokenBuckets({ perSecond: 1, burst: 2 });
  buckets.spend('early', 1, 0);
  buckets.spend('late', 1, 900);
  buckets.forgetFull(1_000);
  expect(buckets.size).toBe(1);
  expect(buckets.waitMs('late', 2, 1_000)).toBe(900);
});
