/**
 * `JetStreamHubStore` keeps the contract of every hub store, over a real nats-server.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { storeCompliance } from '@agentmesh/hub-compliance';
import { ready } from '@agentmesh/protocol';
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
} else {
  describe('JetStreamHubStore', () => {
    test.skip('needs nats-server, which is not installed and could not be', () => {
      expect(hasNats()).toBe(true);
    });
  });
}
