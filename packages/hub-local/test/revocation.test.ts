/** Revocation in a hub whose store is slow, or fails on the way. */
import { describe, expect, test } from '@jest/globals';
import { createIdentityRecord, createRevocation } from '@agentmesh/crypto';
import type { AgentKeyPair } from '@agentmesh/crypto';
import { AgentMeshError, hubIdOf } from '@agentmesh/protocol';
import { MemoryHubStore } from '../src/index.js';
import type { CommitResult, QueueChanges, QueuePage, QueueQuery } from '../src/index.js';
import { alice, bench, bob, carol, CoreClient } from './core-harness.js';
import type { Bench } from './core-harness.js';

class DiskFull extends AgentMeshError {
  readonly code = 'DISK_FULL';

  constructor() {
    super('no space left', { retryable: true });
  }
}

/** A store whose answers a test may hold back, and whose queues it may spoil. */
class SlowStore extends MemoryHubStore {
  isUnreadable = false;
  isReadOnly = false;
  gate: Promise<void> = Promise.resolve();

  override async queued(recipient: Uint8Array): Promise<number> {
    const count = await super.queued(recipient);
    await this.gate;
    return count;
  }

  override commit(changes: QueueChanges): Promise<CommitResult> {
    return this.isReadOnly ? Promise.reject(new DiskFull()) : super.commit(changes);
  }

  override read(query: QueueQuery): Promise<QueuePage> {
    return this.isUnreadable ? Promise.reject(new DiskFull()) : super.read(query);
  }
}

async function publish({ core, host, join }: Bench, keyPair: AgentKeyPair, name: string) {
  const client = await join(keyPair, name);
  const createdMs = host.nowMs;
  const validUntilMs = createdMs + 1;
  const hubId = hubIdOf(core.hubKey);
  const of = { keyPair, name, hubId, createdMs, validUntilMs, revision: 1 };
  client.send({ type: 'put_identity', record: createIdentityRecord(of) });
  await host.settle();
  return client;
}

const revocationOf = (keyPair: AgentKeyPair) => createRevocation(keyPair, { timeMs: 1, reason: 1 });

describe('revocation', () => {
  test('finds an authentication that had already passed the store', async () => {
    const store = new SlowStore();
    const setup = await bench({ store });
    (await publish(setup, bob, 'bob')).connection.closed();
    const witness = await setup.join(alice, 'alice');
    const opened = Promise.withResolvers<void>();
    store.gate = opened.promise;
    const late = new CoreClient(setup.core);
    late.auth(bob, 'bob');
    await setup.host.settle();
    witness.send({ type: 'put_revocation', revocation: revocationOf(bob) });
    await setup.host.settle();
    expect(witness.link.take('ok')).toHaveLength(1);
    expect(late.link.frames).toEqual([]);
    opened.resolve();
    await setup.host.settle();
    expect(late.link.frames).toMatchObject([{ type: 'error', code: 'REVOKED' }]);
    expect(late.link.closedWith).toBe(4401);
  });

  test('what an operator shuts out meanwhile does not get in either', async () => {
    const store = new SlowStore();
    let isShut = false;
    const setup = await bench({ store, isBlocked: () => isShut });
    (await publish(setup, bob, 'bob')).connection.closed();
    const opened = Promise.withResolvers<void>();
    store.gate = opened.promise;
    const late = new CoreClient(setup.core);
    late.auth(bob, 'bob');
    await setup.host.settle();
    isShut = true;
    opened.resolve();
    await setup.host.settle();
    expect(late.link.frames).toMatchObject([{ type: 'error', code: 'BLOCKED' }]);
  });

  test('empties the queue later when the store takes no changes for a while', async () => {
    const store = new SlowStore();
    const setup = await bench({ store, limits: { pageMessages: 2 } });
    (await publish(setup, bob, 'bob')).connection.closed();
    const sender = await setup.join(alice, 'alice');
    for (const fill of [1, 2, 3, 4, 5]) sender.sendTo(bob, fill);
    await setup.host.settle();
    store.isReadOnly = true;
    sender.send({ type: 'put_revocation', revocation: revocationOf(bob) });
    await setup.host.settle();
    expect(sender.link.take('ok')).toHaveLength(1);
    expect(await store.queued(bob.identity.aid)).toBe(5);
    store.isReadOnly = false;
    setup.host.nowMs += 1_000;
    setup.core.tick();
    await setup.host.settle();
    expect(await store.queued(bob.identity.aid)).toBe(0);
    expect(sender.link.take('notice')).toHaveLength(5);
  });

  test('holds when the queue cannot be emptied, and empties it when it is shown again', async () => {
    const store = new SlowStore();
    const setup = await bench({ store });
    const victim = await publish(setup, bob, 'bob');
    const sender = await setup.join(alice, 'alice');
    const witness = await setup.join(carol, 'carol');
    sender.sendTo(bob, 1);
    await setup.host.settle();
    store.isUnreadable = true;
    const revocation = revocationOf(bob);
    const re = witness.send({ type: 'put_revocation', revocation });
    await setup.host.settle();
    expect(witness.link.take('error')).toMatchObject([{ re, code: 'STORAGE' }]);
    expect(victim.link.take('bye')).toMatchObject([{ code: 'REVOKED' }]);
    sender.sendTo(bob, 2);
    await setup.host.settle();
    expect(sender.link.take('error')).toMatchObject([{ code: 'REVOKED' }]);
    expect(sender.link.take('notice')).toEqual([]);
    store.isUnreadable = false;
    witness.send({ type: 'put_revocation', revocation });
    await setup.host.settle();
    expect(witness.link.take('ok')).toHaveLength(1);
    expect(sender.link.take('notice')).toMatchObject([{ what: 'dead_lettered' }]);
    expect(await store.queued(bob.identity.aid)).toBe(0);
  });
});
