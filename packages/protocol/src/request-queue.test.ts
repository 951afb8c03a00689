import { describe, expect, test } from '@jest/globals';
import { HELLO } from '../test/scripted-hub.js';
import { ProtocolError } from './errors.js';
import { Pace } from './pace.js';
import type { RequestCost } from './pace.js';
import { RequestQueue } from './request-queue.js';

const ONE: RequestCost = { kind: 'request', tokens: 1 };

const RATES = { burst: 4, perSecond: 10, requestBurst: 4, requestsPerSecond: 10 };

/** A queue on a clock that the test turns. */
class Bench {
  nowMs = 0;
  /** What left or failed, with its time. */
  readonly log: string[] = [];
  readonly pace = new Pace();
  #due: { atMs: number; task: () => void }[] = [];
  readonly queue = new RequestQueue({
    pace: this.pace,
    now: () => this.nowMs,
    after: (delayMs, task) => {
      const entry = { atMs: this.nowMs + delayMs, task };
      this.#due.push(entry);
      return () => (this.#due = this.#due.filter((one) => one !== entry));
    },
  });

  constructor(limits: Partial<typeof HELLO.limits> = {}) {
    this.queue.open({ ...HELLO.limits, ...RATES, ...limits });
  }

  enter(name: string, cost = ONE, timeoutMs = 30_000): void {
    this.queue.enter({
      cost,
      deadlineMs: this.nowMs + timeoutMs,
      start: () => this.log.push(`${name} ${this.nowMs}`),
      fail: ({ code }) => this.log.push(`${name} ${code}`),
    });
  }

  pass(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      const [next] = this.#due.toSorted((one, other) => one.atMs - other.atMs);
      if (next === undefined || next.atMs > endMs) break;
      this.#due = this.#due.filter((one) => one !== next);
      this.nowMs = next.atMs;
      next.task();
    }
    this.nowMs = endMs;
  }
}

describe('RequestQueue', () => {
  test('a burst leaves at once, the rest at the rate of the hub and in order', () => {
    const bench = new Bench();
    for (let n = 0; n < 8; n++) bench.enter(`r${n}`);
    // Nearly the burst: what is kept of it makes up for a hub that hears it late.
    expect(bench.log).toEqual(['r0 0', 'r1 0', 'r2 0']);
    bench.pass(1_000);
    expect(bench.log.slice(3)).toEqual(['r3 40', 'r4 140', 'r5 240', 'r6 340', 'r7 440']);
  });

  test('no more are unanswered than the hub takes, and sends have a number of their own', () => {
    const bench = new Bench({ pending: 2, inFlight: 1, burst: 500 });
    const send: RequestCost = { kind: 'send', bytes: 10 };
    for (const name of ['a', 'b', 'c']) bench.enter(name);
    for (const name of ['x', 'y']) bench.enter(name, send);
    expect(bench.log).toEqual(['a 0', 'b 0', 'x 0']);
    bench.queue.answered(ONE);
    bench.queue.answered(send);
    expect(bench.log.slice(3)).toEqual(['c 0', 'y 0']);
  });

  test('bytes have a rate, and one send above it leaves a debt', () => {
    const bench = new Bench({ bytesPerSecond: 1_000 });
    bench.enter('large', { kind: 'send', bytes: 3_000 });
    bench.enter('small', { kind: 'send', bytes: 1_000 });
    bench.pass(10_000);
    expect(bench.log).toEqual(['large 0', 'small 3000']);
  });

  test('what would leave too late fails with TIMEOUT, and what follows still leaves', () => {
    const bench = new Bench();
    for (let n = 0; n < 4; n++) bench.enter(`r${n}`);
    bench.enter('hasty', ONE, 100);
    bench.enter('patient', ONE, 500);
    bench.pass(1_000);
    expect(bench.log.slice(3)).toEqual(['r3 40', 'hasty TIMEOUT', 'patient 140']);
  });

  test('what waits behind a hub that does not answer fails when its time is over', () => {
    const bench = new Bench({ pending: 1 });
    bench.enter('a');
    bench.enter('b', ONE, 5_000);
    bench.nowMs = 5_000;
    bench.queue.run();
    expect(bench.log).toEqual(['a 0', 'b TIMEOUT']);
  });

  test('a refusal for the rate waits as long as the hub says, and goes first', () => {
    const bench = new Bench();
    bench.enter('a');
    bench.queue.answered(ONE);
    bench.queue.again(
      {
        cost: ONE,
        deadlineMs: 30_000,
        start: () => bench.log.push(`again ${bench.nowMs}`),
        fail: () => bench.log.push('failed'),
      },
      2_000,
    );
    bench.enter('b');
    bench.pass(5_000);
    expect(bench.log).toEqual(['a 0', 'again 2000', 'b 2100']);
  });

  test('what was spent stays spent over the next connection', () => {
    const bench = new Bench();
    for (let n = 0; n < 4; n++) bench.enter(`r${n}`);
    const { pace } = bench;
    const next = new RequestQueue({ pace, now: () => bench.nowMs });
    next.open({ ...HELLO.limits, ...RATES });
    expect(pace.waitMs(ONE, bench.nowMs)).toBe(40);
  });

  test('waiting is bounded, and the end of the connection fails all that wait', () => {
    const bench = new Bench({ pending: 1 });
    for (let n = 0; n < 10_001; n++) bench.enter(`r${n}`);
    expect(bench.log).toEqual(['r0 0']);
    bench.enter('last');
    expect(bench.log.at(-1)).toBe('last RATE_LIMITED');
    bench.queue.end(new ProtocolError('CONNECTION_LOST'));
    expect(bench.log.filter((line) => line.endsWith('CONNECTION_LOST'))).toHaveLength(10_000);
    bench.enter('late');
    expect(bench.log.at(-1)).toBe('late CONNECTION_LOST');
  });
});
