import { describe, expect, test } from '@jest/globals';
import { AGENT_LIMITS } from '../ground/limits.js';
import { HandshakeBudget } from './handshake-budget.js';

const START_MS = 1_700_000_000_000;

function aid(number: number): Uint8Array {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

/**
 * Asks at once, and again as often as it is told to; the time of its turn, and how often it asked.
 */
function turnOf(
  budget: HandshakeBudget,
  who: number,
): { readonly ms: number; readonly asked: number } {
  let nowMs = START_MS;
  for (let asked = 1; ; asked++) {
    if (budget.take(aid(who), nowMs)) return { ms: nowMs - START_MS, asked };
    nowMs += Math.max(1, Math.ceil(budget.waitMs(aid(who), nowMs)));
  }
}

describe('the budget of handshakes', () => {
  test('takes a second of them at once, and of one identity a few in a minute', () => {
    const budget = new HandshakeBudget();
    const taken = Array.from({ length: 5_000 }, (_, who) => budget.take(aid(who), START_MS));
    expect(taken.filter(Boolean)).toHaveLength(AGENT_LIMITS.handshakesPerSecond);
    const other = new HandshakeBudget();
    const own = Array.from({ length: 9 }, () => other.take(aid(1), START_MS));
    expect(own.filter(Boolean)).toHaveLength(AGENT_LIMITS.handshakesPerMinute);
    expect(other.take(aid(1), START_MS + 60_000)).toBe(true);
  });

  test('lets one that has used few of its own come again soon, and one that has used all later', () => {
    const budget = new HandshakeBudget();
    budget.take(aid(1), START_MS);
    expect(budget.waitMs(aid(1), START_MS)).toBe(1_000);
    for (let n = 0; n < 9; n++) budget.take(aid(1), START_MS);
    expect(budget.waitMs(aid(1), START_MS + 10_000)).toBe(50_000);
  });

  test('has a turn for each of a crowd, in order: who waits asks twice', () => {
    const budget = new HandshakeBudget();
    const crowd = 5 * AGENT_LIMITS.handshakesPerSecond;
    const first = Array.from({ length: crowd }, (_, who) => budget.take(aid(who), START_MS));
    const late = Array.from({ length: crowd }, (_, who) => who).filter((who) => !first[who]);
    const turns = late.map((who) => turnOf(budget, who));
    expect(turns.map(({ ms }) => ms)).toEqual(turns.map(({ ms }) => ms).toSorted((a, b) => a - b));
    expect(Math.max(...turns.map(({ ms }) => ms))).toBeLessThanOrEqual(4_100);
    expect(Math.max(...turns.map(({ asked }) => asked))).toBe(2);
  });

  test('is no lasting block, neither after a crowd nor after a clock that is set back', () => {
    const budget = new HandshakeBudget();
    for (let who = 0; who < 5_000; who++) budget.take(aid(who), START_MS);
    expect(turnOf(budget, 9_999).ms).toBeLessThan(120_000);
    expect(budget.take(aid(10_000), START_MS + 200_000)).toBe(true);
    expect(turnOf(new HandshakeBudget(), 1).ms).toBe(0);
    const ahead = new HandshakeBudget();
    for (let who = 0; who < 100; who++) ahead.take(aid(who), START_MS + 86_400_000);
    expect(ahead.take(aid(200), START_MS)).toBe(true);
  });

  test('T-A55 garbage-crowd: of 250 who send five bad beginnings each leaves room for a newcomer', () => {
    const budget = new HandshakeBudget();
    for (let round = 0; round < 5; round++) {
      for (let who = 0; who < 250; who++) budget.take(aid(who), START_MS);
    }
    expect(turnOf(budget, 9_999).ms).toBeLessThan(7_000);
  });
});
