import { describe, expect, test } from '@jest/globals';
import { hasQueueRoom } from './queue-share.js';

const MIB = 1024 * 1024;
const quota = {
  messages: 10_000,
  bytes: 256 * MIB,
  senderMessages: 2_500,
  senderBytes: 64 * MIB,
  isShared: true,
  retiredMs: 1,
};

/** A queue that senders fill until each is refused. */
class Filling {
  readonly total = { messages: 0, bytes: 0 };
  readonly #shares = new Map<string, { messages: number; bytes: number }>();

  /** Whether one more was taken. */
  send(sender: string, bytes = 256, isStranger = false): boolean {
    const share = this.#shares.get(sender) ?? { messages: 0, bytes: 0 };
    this.#shares.set(sender, share);
    const { total } = this;
    if (!hasQueueRoom({ total, share, quota, bytes, isStranger: () => isStranger })) return false;
    for (const load of [total, share]) {
      load.messages += 1;
      load.bytes += bytes;
    }
    return true;
  }

  /** How many more a sender gets in. */
  fill(sender: string, bytes = 256, isStranger = false): number {
    for (let count = 0; ; count++) if (!this.send(sender, bytes, isStranger)) return count;
  }
}

const names = (count: number, prefix: string) =>
  Array.from({ length: count }, (_, n) => `${prefix}${n}`);

describe('shares of a queue', () => {
  test('one sender alone fills a quarter, by number and by bytes', () => {
    expect(new Filling().fill('a')).toBe(2_500);
    expect(new Filling().fill('a', MIB)).toBe(64);
  });

  test('a stranger alone fills a sixteenth', () => {
    expect(new Filling().fill('a', 256, true)).toBe(625);
    expect(new Filling().fill('a', MIB, true)).toBe(16);
  });

  test.each([4, 20])('%i strangers leave room for a newcomer and for who is known', (count) => {
    const queue = new Filling();
    for (const stranger of names(count, 's')) queue.fill(stranger, 10_000, true);
    expect(queue.total.messages).toBeLessThanOrEqual(7_500);
    expect(queue.fill('newcomer', 256, true)).toBeGreaterThan(20);
    expect(queue.fill('known')).toBeGreaterThan(500);
  });

  test.each([4, 10])('%i senders that are known leave room for one more', (count) => {
    const queue = new Filling();
    for (const sender of names(count, 'k')) queue.fill(sender);
    expect(queue.fill('one more')).toBeGreaterThan(50);
  });

  test('however many senders there are, the queue is never quite full', () => {
    const queue = new Filling();
    for (const sender of names(1_000, 'k')) queue.fill(sender);
    expect(queue.total.messages).toBeLessThan(10_000);
  });

  test('however many strangers there are, the last quarter is not theirs', () => {
    const queue = new Filling();
    for (const stranger of names(10_000, 's')) queue.send(stranger, 256, true);
    expect(queue.total.messages).toBe(7_500);
    expect(queue.send('another', 256, true)).toBe(false);
    expect(queue.fill('known')).toBeGreaterThan(500);
  });

  test('an empty queue takes what is within the bounds, of whomever it is', () => {
    const small = { ...quota, bytes: 64_000, senderBytes: 6_400 };
    const none = { messages: 0, bytes: 0 };
    const of = (total: typeof none, bytes: number): boolean =>
      hasQueueRoom({ total, share: none, quota: small, bytes, isStranger: () => true });
    expect([of(none, 6_400), of(none, 6_401)]).toEqual([true, false]);
    expect(of({ messages: 1, bytes: 100 }, 6_400)).toBe(false);
  });

  test('queues that are not shared have only their fixed bounds', () => {
    const short = { ...quota, messages: 12, senderMessages: 3, isShared: false };
    const load = { messages: 2, bytes: 0 };
    const full = { messages: 11, bytes: 0 };
    const isStranger = () => true;
    expect(hasQueueRoom({ total: full, share: load, quota: short, bytes: 1, isStranger })).toBe(
      true,
    );
    const share = { messages: 3, bytes: 0 };
    expect(hasQueueRoom({ total: load, share, quota: short, bytes: 1, isStranger })).toBe(false);
  });
});
