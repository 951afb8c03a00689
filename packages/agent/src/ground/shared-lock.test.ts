/** Who has the lock, from the call on: what was checked before the call still holds inside. */
import { expect, test } from '@jest/globals';
import { SharedLock } from './shared-lock.js';

test('a task that asks to be alone is the next one, whoever asks while it waits', async () => {
  const lock = new SharedLock();
  const order: string[] = [];
  const release = await lock.share();
  const alone = lock.exclusive(async () => {
    order.push('alone');
  });
  const others = ['second alone', 'shared'].map((name) => {
    const task = async (): Promise<void> => void order.push(name);
    return name === 'shared' ? lock.shared(task) : lock.exclusive(task);
  });
  expect(order).toEqual([]);
  release();
  await Promise.all([alone, ...others]);
  expect(order[0]).toBe('alone');
  expect(order.toSorted()).toEqual(['alone', 'second alone', 'shared']);
});
