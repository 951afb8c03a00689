import { describe, expect, test } from '@jest/globals';
import { MemoryBudget } from './memory-budget.js';
import type { Holder } from './memory-budget.js';

const LIMIT = 1_000_000;

function scene() {
  let nowMs = 0;
  const budget = new MemoryBudget(LIMIT, () => nowMs);
  const ended: string[] = [];
  const holder = (name: string): Holder => {
    const one = {
      heldSinceMs: nowMs,
      destroy: () => {
        ended.push(name);
        budget.update(one, 0);
      },
    };
    return one;
  };
  return { budget, ended, holder, pass: (ms: number) => (nowMs += ms) };
}

describe('memory of all connections', () => {
  test('is never more than the bound, whoever holds it', () => {
    const { budget, ended, holder } = scene();
    for (let n = 0; n < 100; n++) budget.update(holder(String(n)), 100_000);
    expect(budget.total).toBeLessThanOrEqual(LIMIT);
    expect(ended.length).toBeGreaterThanOrEqual(90);
    // The longest first.
    expect(ended.slice(0, 3)).toEqual(['0', '1', '2']);
  });

  test('up to half of it is nobody in a hurry', () => {
    const { budget, ended, holder, pass } = scene();
    budget.update(holder('slow'), LIMIT / 2);
    pass(3_600_000);
    budget.enforce();
    expect(ended).toEqual([]);
  });

  test('the fuller it is, the shorter may anybody keep its part', () => {
    const { budget, ended, holder, pass } = scene();
    budget.update(holder('old'), 300_000);
    pass(4_999);
    budget.update(holder('new'), 450_000);
    expect(ended).toEqual([]);
    pass(1);
    budget.enforce();
    expect(ended).toEqual(['old']);
    expect(budget.total).toBe(450_000);
  });

  test('who holds little is not chosen, and what was given back counts no more', () => {
    const { budget, ended, holder, pass } = scene();
    const small = holder('small');
    budget.update(small, 4_096);
    pass(60_000);
    const large = holder('large');
    budget.update(large, LIMIT);
    expect(ended).toEqual(['large']);
    budget.update(small, 0);
    expect(budget.total).toBe(0);
  });
});
