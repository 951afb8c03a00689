import { describe, expect, test } from '@jest/globals';
import { StorageError } from '../../ground/errors.js';
import type { StoreOperation } from '../store.js';
import { CommitQueue } from './commit-queue.js';
import type { RowChanges } from './overlay.js';

const put = (key: string, length = 1): StoreOperation => ({
  put: key,
  value: new Uint8Array(length),
});
const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

/** A queue over a disk that remembers what it was given and can be told to fail once. */
function queueOverDisk(): {
  readonly queue: CommitQueue;
  readonly written: RowChanges[];
  readonly failWith: (error: StorageError) => void;
  /** From now on a transaction is durable when the test says so. */
  readonly slow: () => void;
  readonly sync: () => void;
} {
  const written: RowChanges[] = [];
  const failures: StorageError[] = [];
  const syncs: (() => void)[] = [];
  let isSlow = false;
  const queue = new CommitQueue(async (changes) => {
    const failure = failures.pop() ?? null;
    if (failure === null) written.push(changes);
    if (isSlow) await new Promise<void>((resolve) => syncs.push(resolve));
    return failure;
  });
  const slow = (): void => void (isSlow = true);
  const sync = (): void => syncs.shift()?.();
  return { queue, written, failWith: (error) => failures.push(error), slow, sync };
}

describe('CommitQueue', () => {
  test('writes all that one turn of the event loop adds as one transaction', async () => {
    const { queue, written } = queueOverDisk();
    const commits = Array.from({ length: 100 }, (_, n) => queue.add([put(`k${n}`)]));
    // What reactions to promises add belongs to the same turn.
    await Promise.resolve();
    commits.push(queue.add([put('late')]));
    expect(written).toHaveLength(0);
    await Promise.all(commits);
    expect(written.map(({ size }) => size)).toEqual([101]);
    await queue.add([put('next')]);
    expect(written).toHaveLength(2);
  });

  test('writes of several changes to one row the last', async () => {
    const { queue, written } = queueOverDisk();
    await Promise.all([
      queue.add([put('a', 1), put('b', 1)]),
      queue.add([put('a', 2), { delete: 'b' }]),
      queue.add([{ delete: 'c' }, put('c', 3)]),
    ]);
    const [changes] = written;
    expect(changes?.get('a')).toHaveLength(2);
    expect(changes?.get('b')).toBeNull();
    expect(changes?.get('c')).toHaveLength(3);
    expect(changes?.size).toBe(3);
  });

  test.each([
    ['512 commits', Array.from({ length: 1_100 }, () => 1), [512, 512, 76]],
    ['4 MiB', [3, 1, 1, 5, 1].map((mebibytes) => mebibytes * 1024 * 1024), [2, 1, 1, 1]],
  ])('puts %s into a transaction at most, and the rest into the next turns', async (...row) => {
    const [, lengths, sizes] = row;
    const { queue, written } = queueOverDisk();
    const commits = lengths.map((length, n) => queue.add([put(`k${n}`, length)]));
    for (let transactions = 1; transactions <= sizes.length; transactions++) {
      await turn();
      expect(written).toHaveLength(transactions);
    }
    await Promise.all(commits);
    expect(written.map(({ size }) => size)).toEqual(sizes);
  });

  test('flush writes everything that waits before it resolves', async () => {
    const { queue, written } = queueOverDisk();
    const commits = Array.from({ length: 600 }, (_, n) => queue.add([put(`k${n}`)]));
    await queue.flush();
    expect(written.map(({ size }) => size)).toEqual([512, 88]);
    await Promise.all(commits);
  });

  test('gathers what comes while a transaction is being synced into the next one', async () => {
    const { queue, written, slow, sync } = queueOverDisk();
    slow();
    const done: string[] = [];
    const first = queue.add([put('a')]).then(() => done.push('a'));
    await turn();
    const rest = ['b', 'c', 'd'].map(async (key) => {
      await queue.add([put(key)]);
      done.push(key);
    });
    await turn();
    expect([written.length, queue.isWriting, done]).toEqual([1, true, []]);
    sync();
    await first;
    await turn();
    expect([written.map(({ size }) => size), done]).toEqual([[1, 3], ['a']]);
    sync();
    await Promise.all(rest);
    expect(done).toEqual(['a', 'b', 'c', 'd']);
    expect(queue.isWriting).toBe(false);
  });

  test('rejects with a failed transaction all that wait behind it', async () => {
    const { queue, written, failWith } = queueOverDisk();
    const full = new StorageError('STORE_FULL');
    failWith(full);
    const commits = Array.from({ length: 600 }, (_, n) => queue.add([put(`k${n}`)]));
    const results = await Promise.allSettled(commits);
    expect(new Set(results.map((result) => 'reason' in result && result.reason))).toEqual(
      new Set([full]),
    );
    await turn();
    expect(written).toHaveLength(0);
    await queue.add([put('a')]);
    expect(written).toHaveLength(1);
  });

  test('keeps a commit without operations in its place', async () => {
    const { queue } = queueOverDisk();
    const order: string[] = [];
    await Promise.all([
      queue.add([put('a')]).then(() => order.push('a')),
      queue.add([]).then(() => order.push('nothing')),
      queue.add([put('b')]).then(() => order.push('b')),
    ]);
    expect(order).toEqual(['a', 'nothing', 'b']);
  });
});
