import { expect, test } from '@jest/globals';
import { GuardedStore } from './guarded-store.js';
import { MemoryStore } from './memory-store.js';
import { RowSweeper } from './row-sweeper.js';
import type { StoreOperation } from './store.js';

/** Timers that fire when the test says so. */
const timers: (() => void)[] = [];
const runtime = {
  schedule: (_delayMs: number, task: () => void) => {
    timers.push(task);
    return () => {};
  },
};

/** A store in which each commit is followed by another deletion, as under load. */
class BusyStore extends MemoryStore {
  sweeper: RowSweeper | null = null;
  commits = 0;

  override async commit(operations: readonly StoreOperation[]): Promise<void> {
    this.commits += 1;
    await new Promise(setImmediate);
    if (this.commits < 1_000) this.sweeper?.delete(`later/${this.commits}`);
    await super.commit(operations);
  }
}

test('waiting for deletions ends while others keep coming', async () => {
  const store = new BusyStore();
  await store.open();
  await store.commit([{ put: 'a', value: new Uint8Array(1) }]);
  const sweeper = new RowSweeper(store, runtime);
  store.sweeper = sweeper;
  sweeper.delete('a');
  await sweeper.settled();
  expect(await store.get('a')).toBeNull();
  expect(store.commits).toBeLessThan(5);
  // Also what is given while a commit is under way.
  await new Promise(setImmediate);
  sweeper.delete('b', [{ put: 'c', value: new Uint8Array(2) }]);
  await sweeper.settled();
  expect(await store.get('c')).toHaveLength(2);
  expect(store.commits).toBeLessThan(10);
});

test('waiting ends at once when nothing is left, and when the store has failed', async () => {
  const store = new MemoryStore();
  await store.open();
  const sweeper = new RowSweeper(store, runtime);
  await sweeper.settled();
  sweeper.delete('a');
  await sweeper.settled();
  await store.close();
  sweeper.delete('b');
  await expect(sweeper.settled()).resolves.toBeUndefined();
});

test('a row that may wait goes with the next commit of anything, or alone in a moment', async () => {
  const inner = new MemoryStore();
  const store = new GuardedStore(inner, () => {});
  await store.open();
  const sweeper = new RowSweeper(store, runtime);
  store.carry(() => sweeper.riders());
  const value = new Uint8Array(1);
  await store.commit(['a', 'b', 'c'].map((key) => ({ put: key, value })));
  sweeper.deleteLater('a');
  sweeper.deleteLater('b');
  expect(await store.get('a')).toEqual(value);
  await store.commit([{ put: 'd', value }]);
  expect([await store.get('a'), await store.get('b')]).toEqual([null, null]);
  sweeper.deleteLater('c');
  for (const fire of timers.splice(0)) fire();
  await sweeper.settled();
  expect(await store.get('c')).toBeNull();
});
