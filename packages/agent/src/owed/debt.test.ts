/**
 * When something that is owed is said: after which wait, how often, and what comes meanwhile.
 */
import { describe, expect, test } from '@jest/globals';
import { seededRandom } from '@agentmesh/hub-compliance';
import { Debt } from './debt.js';
import type { Next } from './debt.js';

const BOB = new Uint8Array(32).fill(7);

/** Timers on a clock that the test moves, in steps of a millisecond. */
class Host {
  nowMs = 0;
  readonly #timers = new Set<{ readonly dueMs: number; readonly task: () => void }>();
  readonly runtime = {
    now: () => this.nowMs,
    random: seededRandom(1),
    schedule: (delayMs: number, task: () => void) => {
      const timer = { dueMs: this.nowMs + delayMs, task };
      this.#timers.add(timer);
      return () => void this.#timers.delete(timer);
    },
  };

  async advance(ms: number): Promise<void> {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      this.nowMs += 1;
      for (const timer of this.#timers) {
        if (timer.dueMs > this.nowMs || !this.#timers.delete(timer)) continue;
        timer.task();
      }
      await new Promise(setImmediate);
    }
  }
}

/** A debt, and the times at which it was said. */
function owing({
  attempts = 1,
  next,
  leads = false,
}: { attempts?: number; next?: Next | (() => Next); leads?: boolean } = {}) {
  const host = new Host();
  const said: number[] = [];
  let answer: PromiseWithResolvers<void> | null = null;
  const say = async (): Promise<Next> => {
    said.push(host.nowMs);
    await answer?.promise;
    return typeof next === 'function' ? next() : (next ?? 'done');
  };
  const debt = new Debt(host.runtime, { firstMs: 10, attempts, say, leads });
  const hold = (): PromiseWithResolvers<void> => (answer = Promise.withResolvers());
  return { host, debt, said, hold };
}

describe('Debt', () => {
  test('nothing is said before it is started, nor once it is stopped', async () => {
    const { host, debt, said } = owing();
    debt.due(BOB);
    await host.advance(100);
    debt.start();
    debt.due(BOB);
    debt.stop();
    await host.advance(100);
    expect(said).toEqual([]);
  });

  test('what is due twice is said once, after the first wait', async () => {
    const { host, debt, said } = owing();
    debt.start();
    debt.due(BOB);
    debt.due(BOB);
    await host.advance(100);
    expect(said).toEqual([10]);
  });

  test('what comes while it is being said is said after another wait', async () => {
    const { host, debt, said, hold } = owing();
    debt.start();
    const { resolve } = hold();
    debt.due(BOB);
    await host.advance(15);
    debt.due(BOB);
    resolve();
    await new Promise(setImmediate);
    await host.advance(100);
    expect(said).toEqual([10, 25]);
  });

  test('what nobody answers is said again, each time after four times the wait', async () => {
    const { host, debt, said } = owing({ attempts: 3, next: 'again' });
    debt.start();
    debt.due(BOB);
    await host.advance(10);
    await host.advance(40);
    await host.advance(160);
    await host.advance(1_000);
    expect(said).toEqual([10, 50, 210]);
  });

  test('what is due anew is said after the first wait', async () => {
    const { host, debt, said } = owing({ attempts: 3, next: 'again' });
    debt.start();
    debt.due(BOB);
    await host.advance(10);
    debt.dueAnew(BOB);
    await host.advance(10);
    expect(said).toEqual([10, 20]);
  });

  test('what is forgiven is not said', async () => {
    const { host, debt, said } = owing();
    debt.start();
    debt.due(BOB);
    debt.forgive(BOB);
    await host.advance(100);
    expect(said).toEqual([]);
  });

  test('all that is owed is said at once before the agent goes', async () => {
    const { host, debt, said } = owing();
    debt.start();
    debt.due(BOB);
    await debt.flush();
    await host.advance(100);
    expect(said).toEqual([0]);
  });

  test('what comes after a quiet time is said at once, what follows waits for company', async () => {
    const { host, debt, said } = owing({ leads: true });
    debt.start();
    debt.due(BOB);
    await host.advance(3);
    for (let n = 0; n < 5; n++) debt.due(BOB);
    await host.advance(30);
    debt.due(BOB);
    await host.advance(30);
    expect(said).toEqual([0, 11, 33]);
  });

  test('what leads goes on at once while there is a full portion of it', async () => {
    let portions = 3;
    const { host, debt, said } = owing({
      leads: true,
      next: () => ((portions -= 1) > 0 ? 'more' : 'done'),
    });
    debt.start();
    debt.due(BOB);
    await debt.flush();
    expect(said).toEqual([0, 0, 0]);
    debt.due(BOB);
    await host.advance(30);
    expect(said).toEqual([0, 0, 0, 10]);
  });

  test('what leads is not said twice when the agent goes, and not left when it waits', async () => {
    const { host, debt, said } = owing({ leads: true });
    debt.start();
    debt.due(BOB);
    await host.advance(1);
    await debt.flush();
    expect(said).toHaveLength(1);
    debt.due(BOB);
    await debt.flush();
    expect(said).toHaveLength(2);
  });

  test('a flush waits for what is being said, and says what came meanwhile', async () => {
    const { debt, said, hold } = owing({ leads: true });
    const { resolve: release } = hold();
    debt.start();
    debt.due(BOB);
    debt.due(BOB);
    let isFlushed = false;
    const flushed = debt.flush().then(() => (isFlushed = true));
    await new Promise(setImmediate);
    expect(isFlushed).toBe(false);
    release();
    await flushed;
    expect(said).toHaveLength(2);
  });
});
