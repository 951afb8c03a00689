import { describe, expect, test } from '@jest/globals';
import { backoffMs } from './backoff.js';

const LIMITS = { firstMs: 200, maxMs: 15_000 };
const always = (byte: number) => (length: number) => new Uint8Array(length).fill(byte);

describe('backoffMs', () => {
  test('doubles from the first wait to the longest, between half and all of each step', () => {
    const least = [0, 1, 2, 9].map((attempt) => backoffMs(attempt, LIMITS, always(0)));
    const most = [0, 1, 2, 9, 1_000].map((attempt) => backoffMs(attempt, LIMITS, always(255)));
    expect(least).toEqual([100, 200, 400, 7_500]);
    expect(most).toEqual([200, 400, 800, 15_000, 15_000]);
  });
});
