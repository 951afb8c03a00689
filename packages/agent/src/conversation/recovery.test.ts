import { expect, test } from '@jest/globals';
import { afterReset, mayReset } from './recovery.js';

const HOUR_MS = 3_600_000;

test('a peer is reset once in an hour, then two, and at last once a day', () => {
  let state = { atMs: 0, count: 0 };
  const waits: number[] = [];
  let nowMs = 1_000;
  for (let i = 0; i < 8; i++) {
    expect(mayReset(state, nowMs)).toBe(true);
    state = afterReset(state, nowMs);
    let waited = 0;
    while (!mayReset(state, nowMs + waited)) waited += HOUR_MS / 2;
    waits.push(waited / HOUR_MS);
    nowMs += waited;
  }
  expect(waits).toEqual([1, 2, 4, 8, 16, 24, 24, 24]);
});

test('after two days of peace the first wait is an hour again', () => {
  const state = afterReset({ atMs: 0, count: 6 }, 48 * HOUR_MS);
  expect(state.count).toBe(1);
  expect(mayReset(state, 49 * HOUR_MS)).toBe(true);
  expect(mayReset(state, 49 * HOUR_MS - 1)).toBe(false);
});

test('a clock that was set back far does not forbid resets for ever', () => {
  const state = { atMs: 100 * HOUR_MS, count: 1 };
  expect(mayReset(state, 99 * HOUR_MS)).toBe(false);
  expect(mayReset(state, 10 * HOUR_MS)).toBe(true);
});
