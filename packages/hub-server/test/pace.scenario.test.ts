/**
 * The library never trips its own hub (hub.md §2): whatever a program asks at once leaves at the
 * pace that the hub announced. A real hub with its default limits, and the real client.
 */
import { afterEach, expect, test } from '@jest/globals';
import { NetworkHub } from '@agentmesh/hub-client';
import type { HubEvents } from '@agentmesh/protocol';
import { newAgent, until, withServer } from './test-clients.js';

const hubs: NetworkHub[] = [];

afterEach(async () => {
  await Promise.all(hubs.splice(0).map((hub) => hub.close()));
});

/** An agent's connection, and what became of it. */
async function connected(port: number) {
  const hub = new NetworkHub({ host: '127.0.0.1', port, tls: false });
  hubs.push(hub);
  const news: string[] = [];
  const events: HubEvents = {
    authenticated: () => news.push('authenticated'),
    deliver() {},
    notice() {},
    down: ({ code }) => news.push(`down ${code}`),
    closed: (error) => news.push(`closed ${error?.code ?? 'by us'}`),
  };
  const connection = await hub.connect(newAgent('alice').credentials(), events);
  return { connection, news };
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'answered',
    (error: unknown) => (error as { code: string }).code,
  );

test(
  '1,000 requests for different names at once are all answered, over one connection',
  () =>
    withServer({}, async (server) => {
      const { connection, news } = await connected(server.port);
      const startedMs = Date.now();
      const codes = await Promise.all(
        Array.from({ length: 1_000 }, (_, n) =>
          codeOf(connection.getBundle(`peer-${n}`, { oneTime: true })),
        ),
      );
      expect(new Set(codes)).toEqual(new Set(['PEER_NOT_FOUND']));
      expect(news).toEqual([]);
      expect(Date.now() - startedMs).toBeLessThan(15_000);
    }),
  30_000,
);

test(
  '1,200 lists and 1,200 sends at once are all answered, without a refusal for their rate',
  () =>
    withServer({}, async (server) => {
      const { connection, news } = await connected(server.port);
      const bob = newAgent('bob');
      const send = (n: number) => {
        const id = new Uint8Array(16);
        new DataView(id.buffer).setUint32(0, n);
        return connection.send({ id, to: bob.aid, ttlSeconds: 60, blob: new Uint8Array(100) });
      };
      const numbers = Array.from({ length: 1_200 }, (_, n) => n);
      const lists = Promise.all(numbers.map(() => codeOf(connection.list({}))));
      const sends = Promise.all(numbers.map((n) => codeOf(send(n))));
      expect(new Set(await lists)).toEqual(new Set(['answered']));
      expect(new Set(await sends)).toEqual(new Set(['UNKNOWN_RECIPIENT']));
      expect(news).toEqual([]);
    }),
  30_000,
);

test(
  'a hub with lower limits is paced as it says',
  () =>
    withServer(
      {
        limits: {
          sendBurst: 5,
          sendsPerSecond: 20,
          requestBurst: 5,
          requestsPerSecond: 20,
          pendingRequests: 3,
        },
      },
      async (server) => {
        const { connection, news } = await connected(server.port);
        const startedMs = Date.now();
        const codes = await Promise.all(
          Array.from({ length: 45 }, () => codeOf(connection.list({}))),
        );
        expect(new Set(codes)).toEqual(new Set(['answered']));
        expect(Date.now() - startedMs).toBeGreaterThan(1_500);
        await until(() => news.length === 0);
        expect(news).toEqual([]);
      },
    ),
  30_000,
);
