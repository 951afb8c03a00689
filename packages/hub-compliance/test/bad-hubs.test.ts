import { describe, expect, test } from '@jest/globals';
import { LocalHub, MemoryHubStore } from '@agentmesh/hub-local';
import { ready } from '@agentmesh/protocol';
import type { Delivery, Hub, HubConnection, HubEvents } from '@agentmesh/protocol';
import { InterruptedHub, MaliciousHub, ManualHost, seededRandom, TestAgent } from '../src/index.js';

const random = seededRandom(5);
const outgoing = (to: TestAgent, fill = 1) => ({
  id: random(16),
  to: to.aid,
  ttlSeconds: 60,
  blob: new Uint8Array(32).fill(fill),
});

async function join(hub: Hub, agent: TestAgent) {
  const news: string[] = [];
  const deliveries: Delivery[] = [];
  const events: HubEvents = {
    authenticated: () => news.push('authenticated'),
    deliver: (delivery) => deliveries.push(delivery),
    notice: ({ what }) => news.push(what),
    down: ({ code }) => news.push(`down ${code}`),
    closed: (error) => news.push(`closed ${error?.code ?? 'by us'}`),
  };
  const connection: HubConnection = await hub.connect(agent.credentials(), events);
  return { connection, deliveries, news };
}

async function scene<T extends Hub>(wrap: (hub: Hub) => T) {
  await ready();
  const host = new ManualHost();
  const store = new MemoryHubStore();
  const hub = wrap(new LocalHub({ host, store }));
  const [alice, bob] = [new TestAgent('alice', random), new TestAgent('bob', random)];
  const ends = { alice: await join(hub, alice), bob: await join(hub, bob) };
  return { host, store, hub, alice, bob, ends };
}

describe('MaliciousHub', () => {
  test('without deviations it is honest, and writes down what passes', async () => {
    const { host, hub, bob, ends } = await scene((inner) => new MaliciousHub(inner));
    const envelope = outgoing(bob);
    expect(await ends.alice.connection.send(envelope)).toEqual({ seq: 1, duplicate: false });
    await host.rest();
    expect(ends.bob.deliveries).toMatchObject([{ envelope: { blob: envelope.blob } }]);
    expect(hub.passed.sent).toEqual([{ by: 'alice', envelope }]);
    expect(hub.passed.delivered).toMatchObject([{ to: 'bob' }]);
    await hub.close();
  });

  test('it drops, doubles, forges and replays', async () => {
    const { host, hub, alice, bob, ends } = await scene((inner) => new MaliciousHub(inner));
    hub.deviations = { send: () => [] };
    expect(await ends.alice.connection.send(outgoing(bob))).toMatchObject({ duplicate: false });
    await host.rest();
    expect(ends.bob.deliveries).toEqual([]);
    const from = alice.aid.map((byte) => byte ^ 1);
    hub.deviations = {
      deliver: (delivery) => [delivery, { ...delivery, envelope: { ...delivery.envelope, from } }],
    };
    await ends.alice.connection.send(outgoing(bob));
    await host.rest();
    expect(ends.bob.deliveries.map(({ envelope }) => envelope.from)).toEqual([alice.aid, from]);
    const [first] = ends.bob.deliveries;
    if (first !== undefined) hub.inject('bob', { envelope: first.envelope });
    expect(ends.bob.deliveries.at(-1)?.envelope).toBe(first?.envelope);
    ends.bob.connection.ack(ends.bob.deliveries.map(({ seq }) => seq));
    await host.rest();
    expect(ends.bob.news).toEqual([]);
    await hub.close();
  });

  test('it lies about sessions, keys, bundles and names', async () => {
    const { host, hub, alice, bob, ends } = await scene((inner) => new MaliciousHub(inner));
    const { connection } = ends.bob;
    const { hubId } = connection.session;
    const nowMs = host.clock();
    await connection.putIdentity(bob.record({ hubId, nowMs }));
    const signed = [bob.signedPrekey(1, nowMs)];
    const other = alice.record({ hubId, nowMs, name: 'bob' });
    hub.deviations = {
      session: (session) => ({ ...session, lastBoot: 99 }),
      keys: () => ({ oneTimePrekeys: 7, keyDigest: null }),
      bundle: (bundle) => ({ ...bundle, record: other }),
      list: () => ({ names: ['nobody'], next: null }),
    };
    expect((await connection.putPrekeys({ signed, oneTime: [] })).oneTimePrekeys).toBe(7);
    expect(connection.session.lastBoot).toBe(99);
    const bundle = await ends.alice.connection.getBundle('bob', { oneTime: true });
    expect(bundle.record).toBe(other);
    expect(await ends.alice.connection.list({})).toMatchObject({ names: ['nobody'] });
    await hub.close();
  });
});

describe('InterruptedHub', () => {
  test('what waits is delivered after it came back, and requests fail meanwhile', async () => {
    const { host, store, hub, bob, ends } = await scene((inner) => new InterruptedHub(inner));
    await ends.alice.connection.send(outgoing(bob, 1));
    await host.rest();
    hub.goDown();
    const refused = ends.alice.connection.send(outgoing(bob, 2));
    await expect(refused).rejects.toMatchObject({ code: 'CONNECTION_LOST', retryable: true });
    await host.rest();
    await hub.comeBack(new LocalHub({ host, store }));
    await ends.alice.connection.send(outgoing(bob, 3));
    await host.rest();
    const fills = ends.bob.deliveries.map(({ attempt, envelope }) => [attempt, envelope.blob[0]]);
    expect(fills).toEqual([
      [1, 1],
      [2, 1],
      [1, 3],
    ]);
    expect(ends.bob.news).toEqual(['down CONNECTION_LOST', 'authenticated']);
    await ends.bob.connection.close();
    expect(ends.bob.news.at(-1)).toBe('closed by us');
    await hub.close();
  });
});
