/**
 * `JetStreamHubStore` keeps the contract of every hub store, over a real nats-server.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { storeCompliance } from '@agentmesh/hub-compliance';
import { ready, toBase64Url } from '@agentmesh/protocol';
import { JetStreamHubStore } from '../../src/jetstream.js';
import { hasNats, NatsNode } from './nats-process.js';

if (hasNats()) {
  let nats: NatsNode;
  let stores = 0;
  beforeAll(async () => {
    await ready();
    nats = await NatsNode.single();
  });
  afterAll(() => nats.dispose());

  storeCompliance('JetStreamHubStore on one node', async () => {
    stores += 1;
    const hubKeyFile = join(nats.folder, `hub-${stores}.key`);
    const options = { servers: nats.url, hubKeyFile, prefix: `test${stores}`, shards: 2 };
    let store = await JetStreamHubStore.open(options);
    return {
      store,
      forgetsGone: true,
      async reopen() {
        await store.close();
        store = await JetStreamHubStore.open(options);
        return store;
      },
      async dispose() {
        await store.close();
      },
    };
  });

  test('names a timeline of its own from each start on, and after NATS was away', async () => {
    const node = await NatsNode.single();
    const hubKeyFile = join(node.folder, 'hub.key');
    const open = () => JetStreamHubStore.open({ servers: node.url, hubKeyFile, shards: 1 });
    const told = new Set<string>();
    try {
      const first = await open();
      const { store, timelines } = await first.history();
      told.add(toBase64Url(timelines[0] ?? new Uint8Array()));
      const second = await open();
      const later = await second.history();
      told.add(toBase64Url(later.timelines[0] ?? new Uint8Array()));
      expect(await first.history()).toEqual(later);
      await second.close();
      await node.kill();
      await node.start();
      const isNew = async (): Promise<boolean> => {
        const { timelines } = await first.history();
        const [now] = timelines;
        return now !== undefined && !told.has(toBase64Url(now));
      };
      // The connection is restored some time after the node is there.
      for (let tries = 0; tries < 500 && !(await isNew().catch(() => false)); tries++) {
        await new Promise((resolve) => {
          setTimeout(resolve, 100);
        });
      }
      expect(await isNew()).toBe(true);
      expect([told.size, (await first.history()).store]).toEqual([2, store]);
      await first.close();
    } finally {
      await node.dispose();
    }
  }, 60_000);
} else {
  describe('JetStreamHubStore', () => {
    test.skip('needs nats-server, which is not installed and could not be', () => {
      expect(hasNats()).toBe(true);
    });
  });
}
