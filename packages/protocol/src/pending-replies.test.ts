import { expect, test } from '@jest/globals';
import { PendingReplies } from './pending-replies.js';

test('numbers go round u32 and pass those that are waited for', () => {
  const pending = new PendingReplies(1_000, 0xffff_fffe);
  expect(pending.nextId()).toBe(0xffff_ffff);
  const waiting = pending.add({ id: 1, type: 'pong', nowMs: 0 });
  expect(pending.nextId()).toBe(2);
  expect(pending.settle({ type: 'pong', re: 1 })).toBe(true);
  return expect(waiting).resolves.toEqual({ type: 'pong', re: 1 });
});

test('each waits its own time', async () => {
  const pending = new PendingReplies(1_000);
  const early = pending.add({ id: pending.nextId(), type: 'pong', nowMs: 0 });
  const late = pending.add({ id: pending.nextId(), type: 'pong', nowMs: 500 });
  pending.expire(999);
  expect(pending.size).toBe(2);
  pending.expire(1_000);
  await expect(early).rejects.toMatchObject({ code: 'TIMEOUT', retryable: true });
  expect(pending.size).toBe(1);
  pending.expire(1_500);
  await expect(late).rejects.toMatchObject({ code: 'TIMEOUT' });
});
