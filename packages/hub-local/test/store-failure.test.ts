import { describe, expect, test } from '@jest/globals';
import { AgentMeshError } from '@agentmesh/protocol';
import { MemoryHubStore } from '../src/index.js';
import type { CommitResult, HubStore, QueueChanges, QueuePage, QueueQuery } from '../src/index.js';
import { alice, bench, bob } from './core-harness.js';

class DiskFull extends AgentMeshError {
  readonly code = 'DISK_FULL';

  constructor() {
    super('no space left', { retryable: true });
  }
}

type Verb = keyof HubStore;

/** A store that fails on command, having changed nothing. */
class FailingStore extends MemoryHubStore {
  readonly failing = new Set<Verb>();
  isHanging = false;

  override commit(changes: QueueChanges): Promise<CommitResult> {
    return this.#or('commit', () => super.commit(changes));
  }

  override read(query: QueueQuery): Promise<QueuePage> {
    return this.#or('read', () => super.read(query));
  }

  override names(query: Parameters<HubStore['names']>[0]): Promise<readonly string[]> {
    return this.#or('names', () => super.names(query));
  }

  override expire(request: Parameters<HubStore['expire']>[0]): ReturnType<HubStore['expire']> {
    if (this.isHanging) return new Promise(() => undefined);
    return this.#or('expire', () => super.expire(request));
  }

  override notices(query: Parameters<HubStore['notices']>[0]): ReturnType<HubStore['notices']> {
    return this.#or('notices', () => super.notices(query));
  }

  override claim(claim: Parameters<HubStore['claim']>[0]): ReturnType<HubStore['claim']> {
    return this.#or('claim', () => super.claim(claim));
  }

  #or<T>(verb: Verb, action: () => Promise<T>): Promise<T> {
    return this.failing.has(verb) ? Promise.reject(new DiskFull()) : action();
  }
}

async function scene() {
  const store = new FailingStore();
  const failures: unknown[] = [];
  const observer = { failed: (error: unknown) => failures.push(error) };
  const { core, host, join } = await bench({ store, observer });
  const sender = await join(alice, 'alice');
  const receiver = await join(bob, 'bob');
  const tick = async () => {
    host.nowMs += 1_000;
    core.tick();
    await host.settle();
  };
  return { core, store, failures, host, join, sender, receiver, tick };
}

describe('when the store fails', () => {
  test('send answers STORAGE, nothing is delivered, and it recovers by itself', async () => {
    const { store, failures, host, sender, receiver } = await scene();
    store.failing.add('commit');
    sender.sendTo(bob, 1);
    sender.sendTo(bob, 2);
    await host.settle();
    expect(sender.link.take('error').map(({ code }) => code)).toEqual(['STORAGE', 'STORAGE']);
    expect(receiver.link.take('deliver')).toEqual([]);
    expect(failures).toEqual([expect.any(DiskFull)]);
    store.failing.clear();
    sender.sendTo(bob, 1);
    await host.settle();
    expect(sender.link.take('sent')).toMatchObject([{ seq: 1, duplicate: false }]);
    expect(receiver.link.take('deliver')).toHaveLength(1);
  });

  test('acknowledgements are kept and stored when it works again', async () => {
    const { store, host, sender, receiver, tick } = await scene();
    sender.sendTo(bob, 1);
    sender.sendTo(bob, 2);
    await host.settle();
    store.failing.add('commit');
    receiver.send({ type: 'ack', seqs: [1] });
    receiver.send({ type: 'nack', seq: 2, delay: 0, reason: 'STORAGE' });
    await host.settle();
    await tick();
    expect(await store.queued(bob.identity.aid)).toBe(2);
    store.failing.clear();
    receiver.link.take('deliver');
    await tick();
    expect(await store.queued(bob.identity.aid)).toBe(1);
    await tick();
    const again = await store.read({
      recipient: bob.identity.aid,
      after: 0,
      messages: 9,
      bytes: 999,
      nowMs: host.nowMs,
    });
    expect(again.entries).toMatchObject([{ seq: 2, attempt: 2 }]);
  });

  test('a queue that could not be read is read at the next tick', async () => {
    const { store, host, join, sender, receiver, tick, failures } = await scene();
    receiver.connection.closed();
    sender.sendTo(bob, 1);
    await host.settle();
    store.failing.add('read').add('notices');
    const again = await join(bob, 'bob');
    expect(again.link.take('deliver')).toEqual([]);
    expect(failures.length).toBeGreaterThan(0);
    store.failing.clear();
    await tick();
    expect(again.link.take('deliver')).toMatchObject([{ seq: 1 }]);
  });

  test('the hub says whether its store answers, also when it hangs', async () => {
    const { core, store, tick } = await scene();
    await tick();
    expect(core.storeAnswers).toBe(true);
    store.failing.add('expire');
    await tick();
    expect(core.storeAnswers).toBe(false);
    store.failing.clear();
    await tick();
    expect(core.storeAnswers).toBe(true);
    store.isHanging = true;
    for (let second = 0; second < 5; second++) await tick();
    expect(core.storeAnswers).toBe(false);
  });

  test('requests and authentication answer STORAGE, a sweep is tried again', async () => {
    const { store, host, join, sender, tick } = await scene();
    store.failing.add('names').add('claim').add('expire');
    const id = sender.send({ type: 'list' });
    await host.settle();
    expect(sender.link.take('error')).toMatchObject([{ re: id, code: 'STORAGE' }]);
    await tick();
    const refused = await join(alice, 'alice');
    expect(refused.link.take('error')).toMatchObject([{ code: 'STORAGE' }]);
    expect(refused.link.closedWith).not.toBeNull();
    store.failing.clear();
    sender.send({ type: 'list' });
    await tick();
    expect(sender.link.take('agents')).toHaveLength(1);
  });
});
