import { describe, expect, test } from '@jest/globals';
import { CLOSE_CODES } from '@agentmesh/protocol';
import { alice, bench, bob, CoreClient } from './core-harness.js';

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
