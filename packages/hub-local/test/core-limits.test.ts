import { describe, expect, jest, test } from '@jest/globals';
import { CLOSE_CODES } from '@agentmesh/protocol';
import { MemoryHubStore } from '../src/index.js';
import { coreLimits } from '../src/core-limits.js';
import type { CoreLimits } from '../src/index.js';
import { alice, bench, bob, carol, CoreClient } from './core-harness.js';

describe('strangers from one address', () => {
  test('no more of them wait for their authentication than allowed', async () => {
    const { core, host } = await bench({ limits: { preAuthConnectionsPerAddress: 3 } });
    const first = [1, 2, 3].map(() => new CoreClient(core, '10.0.0.1'));
    const fourth = new CoreClient(core, '10.0.0.1');
    expect(fourth.link.frames).toEqual([{ type: 'bye', code: 'FLOOD' }]);
    expect(fourth.link.closedWith).toBe(CLOSE_CODES.flood);
    expect(new CoreClient(core, '10.0.0.2').link.take('hello')).toHaveLength(1);
    expect(new CoreClient(core, null).link.take('hello')).toHaveLength(1);
    first[0]?.auth(alice, 'alice');
    await host.settle();
    expect(new CoreClient(core, '10.0.0.1').link.take('hello')).toHaveLength(1);
    expect(new CoreClient(core, '10.0.0.1').link.take('bye')).toHaveLength(1);
    first[1]?.connection.closed();
    expect(new CoreClient(core, '10.0.0.1').link.take('hello')).toHaveLength(1);
  });

  test('no more of them come in a second than allowed', async () => {
    const { core, host } = await bench({ limits: { newConnectionsPerSecond: 2 } });
    const greeted = () => {
      const client = new CoreClient(core, '10.0.0.1');
      client.connection.closed();
      return client.link.take('hello').length === 1;
    };
    expect([greeted(), greeted(), greeted()]).toEqual([true, true, false]);
    host.nowMs += 500;
    expect([greeted(), greeted()]).toEqual([true, false]);
    expect(core.connections).toBe(0);
  });
});

describe('a connection that does not read', () => {
  test('gets nothing more until it has taken what was sent', async () => {
    const { host, join } = await bench({ limits: { backlogBytes: 100 } });
    const slow = await join(bob, 'bob');
    const sender = await join(alice, 'alice');
    slow.link.backlog = 101;
    for (const fill of [1, 2, 3]) sender.sendTo(bob, fill);
    await host.settle();
    expect(sender.link.take('sent')).toHaveLength(3);
    expect(slow.link.take('deliver')).toEqual([]);
    slow.link.backlog = 100;
    slow.connection.drained();
    await host.settle();
    expect(slow.link.take('deliver').map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });

  test('still gets its answers, and does not slow down others', async () => {
    const { host, join } = await bench();
    const slow = await join(bob, 'bob');
    const other = await join(alice, 'alice');
    slow.link.backlog = Number.MAX_SAFE_INTEGER;
    slow.sendTo(alice, 1);
    await host.settle();
    expect(slow.link.take('sent')).toHaveLength(1);
    expect(other.link.take('deliver')).toHaveLength(1);
  });
});

describe('envelopes that find no room on their connection', () => {
  /** Two envelopes' contents, which may take three quarters of what may be held. */
  const twoContents = Math.ceil((2 * 544) / 0.75);

  /** Bob's connection is full; alice has sent so many. */
  async function waiting(count: number, limits: Partial<CoreLimits> = {}) {
    const store = new MemoryHubStore();
    const { host, join } = await bench({ store, limits });
    const slow = await join(bob, 'bob');
    const sender = await join(alice, 'alice');
    const fetch = jest.spyOn(store, 'fetch');
    const read = jest.spyOn(store, 'read');
    slow.link.backlog = Number.MAX_SAFE_INTEGER;
    for (let fill = 1; fill <= count; fill++) sender.sendTo(bob, fill);
    await host.settle();
    const drain = async (): Promise<number[]> => {
      slow.link.backlog = 0;
      slow.connection.drained();
      await host.settle();
      return slow.link.take('deliver').map(({ seq }) => seq);
    };
    return { host, join, slow, sender, read, fetch, drain };
  }

  test('are pushed from memory, in order, when there is room', async () => {
    const { host, sender, read, drain, slow } = await waiting(3);
    slow.link.backlog = 0;
    sender.sendTo(bob, 4);
    await host.settle();
    expect(await drain()).toEqual([1, 2, 3, 4]);
    expect(read).not.toHaveBeenCalled();
  });

  test('are read from the store beyond the bound of one connection', async () => {
    const heldBytesOfOne = twoContents;
    const { read, fetch, drain, sender, host, slow } = await waiting(4, { heldBytesOfOne });
    expect(await drain()).toEqual([1, 2, 3, 4]);
    expect(fetch.mock.calls.map(([{ seqs }]) => seqs)).toEqual([[3, 4]]);
    sender.sendTo(bob, 5);
    await host.settle();
    expect(slow.link.take('deliver').map(({ seq }) => seq)).toEqual([5]);
    expect([fetch.mock.calls.length, read.mock.calls.length]).toEqual([1, 0]);
  });

  test('are bounded over all connections, and leave their place when they go', async () => {
    const { host, slow, sender, fetch, join } = await waiting(2, { heldBytes: twoContents });
    const other = await join(carol, 'carol');
    other.link.backlog = Number.MAX_SAFE_INTEGER;
    sender.sendTo(carol, 3);
    await host.settle();
    other.link.backlog = 0;
    other.connection.drained();
    await host.settle();
    expect(other.link.take('deliver')).toHaveLength(1);
    expect(fetch).toHaveBeenCalledTimes(1);
    slow.connection.closed();
    other.link.backlog = Number.MAX_SAFE_INTEGER;
    sender.sendTo(carol, 4);
    await host.settle();
    other.link.backlog = 0;
    other.connection.drained();
    await host.settle();
    expect(other.link.take('deliver')).toHaveLength(1);
    expect(fetch).toHaveBeenCalledTimes(1);
  });

  test('are not pushed after their time', async () => {
    const { host, drain } = await waiting(2);
    host.nowMs += 61_000;
    expect(await drain()).toEqual([]);
  });

  test('wait for credit as well', async () => {
    const { read, drain, slow, host } = await waiting(3, { initialCreditMessages: 1 });
    expect(await drain()).toEqual([1]);
    slow.connection.receive({ ok: true, frame: { type: 'credit', messages: 2, bytes: 0 } }, '');
    await host.settle();
    expect(slow.link.take('deliver').map(({ seq }) => seq)).toEqual([2, 3]);
    expect(read).not.toHaveBeenCalled();
  });
});

describe('memory', () => {
  test('envelopes that wait for their commit are bounded over all senders', async () => {
    const { host, join } = await bench({ limits: { uncommittedBytes: 64 } });
    const clients = [await join(alice, 'alice'), await join(bob, 'bob')];
    clients[0]?.sendTo(bob, 1);
    clients[1]?.sendTo(bob, 2);
    clients[1]?.sendTo(bob, 3);
    await host.settle();
    expect(clients[0]?.link.take('sent')).toHaveLength(1);
    expect(clients[1]?.link.take('sent')).toHaveLength(1);
    expect(clients[1]?.link.take('error')).toMatchObject([{ code: 'RATE_LIMITED' }]);
    clients[1]?.sendTo(bob, 3);
    await host.settle();
    expect(clients[1]?.link.take('sent')).toHaveLength(1);
  });

  test('requests that wait behind a slow store are bounded', async () => {
    const { host, join } = await bench({ limits: { pendingRequests: 3 } });
    const client = await join(alice, 'alice');
    for (let at = 0; at < 5; at++) client.send({ type: 'list' });
    await host.settle();
    expect(client.link.take('agents')).toHaveLength(3);
    expect(client.link.take('error').map(({ code }) => code)).toEqual([
      'RATE_LIMITED',
      'RATE_LIMITED',
    ]);
  });
});

test('what no empty queue takes is too large, and the hub says so when it greets', async () => {
  const limits = { queueBytes: 4_000 };
  const { core, host, join } = await bench({ limits });
  const bytes = 4_000 * coreLimits().queueShareOfOneSender;
  const [hello] = new CoreClient(core).link.take('hello');
  expect([coreLimits(limits).blobBytes, hello?.limits.blobBytes]).toEqual([bytes, bytes]);
  await join(bob, 'bob');
  const sender = await join(alice, 'alice');
  sender.sendTo(bob, 1, { size: bytes + 1 });
  await host.settle();
  expect(sender.link.take('error')).toMatchObject([{ code: 'TOO_LARGE' }]);
});
