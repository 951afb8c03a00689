/**
 * A store whose node of NATS is cut off from the other nodes, but not from the hub: its connection
 * is well, and nothing comes of it.
 */
import { afterEach, describe, expect, test } from '@jest/globals';
import { ready } from '@agentmesh/protocol';
import type { JetStreamHubStore } from '../../src/jetstream.js';
import { NatsCluster } from './nats-cluster.js';
import { whyNoNetwork } from './nats-network.js';
import { hasNats } from './nats-process.js';
import type { NatsNode } from './nats-process.js';
import { changesOf, storeOver } from './one-queue.js';

const endings: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

/** The node at which a hub is. */
async function nodeOfHub({ nodes }: NatsCluster): Promise<NatsNode> {
  for (const node of nodes) {
    if (JSON.stringify(await node.page('/connz')).includes('agentmesh-hub')) return node;
  }
  throw new Error('no node has a hub');
}

/** How an envelope with this number fares: `stored`, or a code. */
async function fateOf(store: JetStreamHubStore, number: number): Promise<string> {
  try {
    return (await store.commit(changesOf([number]))).appended[0]?.status ?? '';
  } catch (error) {
    const { code, retryable } = error as { code: string; retryable: boolean };
    return `${code} ${retryable}`;
  }
}

const why = hasNats() ? whyNoNetwork() : 'nats-server is not installed and could not be';
if (why === null) {
  describe('a store whose node is cut off from the other nodes', () => {
    test('refuses meanwhile, and goes on at another node by itself', async () => {
      await ready();
      const cluster = await NatsCluster.start({ canBeCut: true });
      endings.push(() => cluster.dispose());
      const store = await storeOver(cluster.servers, endings, 1_000);
      expect(await fateOf(store, 1)).toBe('stored');
      const node = await nodeOfHub(cluster);
      cluster.cut(node, 'peers');
      const fates: string[] = [];
      while (fates.at(-1) !== 'stored') fates.push(await fateOf(store, 10 + fates.length));
      expect(fates.length).toBeGreaterThan(1);
      expect(new Set(fates.slice(0, -1))).toEqual(new Set(['STORE_UNAVAILABLE true']));
      expect(await nodeOfHub(cluster)).not.toBe(node);
      expect(await fateOf(store, 1)).toBe('duplicate');
    });
  });
} else {
  describe('a store whose node is cut off from the other nodes', () => {
    test.skip(`cannot be tried: ${why}`, () => {
      expect(why).toBeNull();
    });
  });
}
