import { expect, test } from '@jest/globals';
import { PROTOCOL_LIMITS } from '@agentmesh/protocol';
import { CORE_LIMITS, coreLimits } from './core-limits.js';
import type { CoreLimits } from './core-limits.js';

const names = Object.keys(CORE_LIMITS) as (keyof CoreLimits)[];

test.each(names)('%s may be lowered, not raised, zero or something else', (name) => {
  const highest = CORE_LIMITS[name];
  expect(coreLimits({ [name]: highest })).toEqual(CORE_LIMITS);
  const lower = name === 'queueShareOfOneSender' ? highest / 2 : 1;
  expect(coreLimits({ [name]: lower })).toEqual({ ...CORE_LIMITS, [name]: lower });
  for (const value of [highest + 1, 0, -1, Number.NaN, Number.POSITIVE_INFINITY, '1']) {
    const set = () => coreLimits({ [name]: value as number });
    expect(set).toThrow(
      `Hub option refused (limit ${name} must be above 0 and at most ${highest})`,
    );
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
