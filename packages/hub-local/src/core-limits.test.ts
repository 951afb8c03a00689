import { expect, test } from '@jest/globals';
import { PROTOCOL_LIMITS } from '@agentmesh/protocol';
import { CORE_LIMITS, coreLimits, RAISABLE } from './core-limits.js';
import type { CoreLimits } from './core-limits.js';

const names = Object.keys(CORE_LIMITS) as (keyof CoreLimits)[];

test.each(names)('%s may be lowered, never above its bound, zero or something else', (name) => {
  const highest = RAISABLE[name] ?? CORE_LIMITS[name];
  expect(coreLimits({ [name]: highest })).toEqual({ ...CORE_LIMITS, [name]: highest });
  const lower = name === 'queueShareOfOneSender' ? highest / 2 : 1;
  // An envelope that no queue can hold is too large.
  const blobBytes = name === 'queueBytes' ? lower : CORE_LIMITS.blobBytes;
  expect(coreLimits({ [name]: lower })).toEqual({ ...CORE_LIMITS, blobBytes, [name]: lower });
  for (const value of [highest + 1, 0, -1, Number.NaN, Number.POSITIVE_INFINITY, '1']) {
    const set = () => coreLimits({ [name]: value as number });
    expect(set).toThrow(
      `Hub option refused (limit ${name} must be above 0 and at most ${highest})`,
    );
  }
});

test('what the machine of a hub has to bear may be raised, what peers rely on may not', () => {
  expect(coreLimits({ requestsPerSecond: 5_000 }).requestsPerSecond).toBe(5_000);
  for (const name of ['blobBytes', 'maxTtlSeconds', 'frameBytes', 'inFlight'] as const) {
    expect(RAISABLE[name]).toBeUndefined();
  }
  for (const [name, bound] of Object.entries(RAISABLE)) {
    expect(bound).toBeGreaterThan(CORE_LIMITS[name as keyof CoreLimits]);
  }
});

test('an unknown limit is refused by its name', () => {
  expect(() => coreLimits({ speed: 1 } as Partial<CoreLimits>)).toThrow('no limit speed');
});

test('no default is above the protocol', () => {
  const common = names.filter((name) => name in PROTOCOL_LIMITS) as (keyof typeof PROTOCOL_LIMITS &
    keyof CoreLimits)[];
  for (const name of common) expect(CORE_LIMITS[name]).toBe(PROTOCOL_LIMITS[name]);
  expect(common.length).toBeGreaterThan(20);
});
