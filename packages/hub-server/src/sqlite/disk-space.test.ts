import { describe, expect, test } from '@jest/globals';
import { DiskSpace } from './disk-space.js';

const MIB = 1024 * 1024;

function spaceWith(reading: { total: number; free: number; used: number }, quota?: number) {
  const state = { ...reading, nowMs: 0, readings: 0 };
  const space = new DiskSpace({
    read: () => {
      state.readings += 1;
      return state;
    },
    quotaBytes: quota ?? null,
    monotonic: () => state.nowMs,
  });
  return { space, state };
}

describe('DiskSpace', () => {
  test('keeps 64 MiB of a large file system free', () => {
    const total = 100_000 * MIB;
    const { space, state } = spaceWith({ total, free: 64 * MIB, used: 0 });
    expect(space.take(1)).toBe(false);
    state.free = 65 * MIB;
    state.nowMs += 5;
    expect(space.take(1)).toBe(true);
  });

  test('keeps a tenth of a small file system free', () => {
    const { space, state } = spaceWith({ total: 8 * MIB, free: 0.8 * MIB, used: 0 });
    expect(space.take(1)).toBe(false);
    state.free = 0.9 * MIB;
    state.nowMs += 5;
    expect(space.take(1)).toBe(true);
  });

  test('stops at nine tenths of the quota', () => {
    const reading = { total: 1000 * MIB, free: 900 * MIB, used: 9 * MIB };
    expect(spaceWith(reading, 10 * MIB).space.take(1)).toBe(false);
    expect(spaceWith({ ...reading, used: 8.9 * MIB }, 10 * MIB).space.take(1)).toBe(true);
  });

  test('reads once in 200 ms and counts in between', () => {
    const { space, state } = spaceWith({ total: 1000 * MIB, free: 66 * MIB, used: 0 });
    for (let n = 0; n < 100; n++) expect(space.take(1_000)).toBe(true);
    expect(state.readings).toBe(1);
    expect(space.take(2 * MIB)).toBe(false);
    state.nowMs = 200;
    expect(space.take(1_000)).toBe(true);
    expect(state.readings).toBe(2);
  });

  test('believes a database that says the disk is full, for a while', () => {
    const { space, state } = spaceWith({ total: 1000 * MIB, free: 900 * MIB, used: 0 });
    space.doubt();
    expect(space.take(1)).toBe(false);
    state.nowMs = 200;
    expect(space.take(1)).toBe(true);
  });
});
