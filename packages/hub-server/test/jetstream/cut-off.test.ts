/**
 * A store whose node of NATS is cut off from the other nodes, but not from the hub: its connection
 * is well, and nothing comes of it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { ready } from '@agentmesh/protocol';
import { JetStreamHubStore } from '../../src/jetstream.js';
import { NatsCluster } from './nats-cluster.js';
import { whyNoNetwork } from './nats-network.js';
import { hasNats } from './nats-process.js';
import type { NatsNode } from './nats-process.js';

const NOW_MS = 1_700_000_000_000;
const AID = new Uint8Array(32).fill(2);

const endings: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

async function storeOver({ servers }: NatsCluster): Promise<JetStreamHubStore> {
  const folder = mkdtempSync(join(tmpdir(), 'agentmesh-cut-'));
  endings.push(() => rmSync(folder, { recursive: true }));
  const hubKeyFile = join(folder, 'hub.key');
  const store = await JetStreamHubStore.open({ servers, hubKeyFile, shards: 1, patienceMs: 1_000 });
  endings.push(() => store.close());
  const claim = { name: 'bob', aid: AID, opening: null, mayRegister: true };
  await store.claim({ ...claim, nowMs: NOW_MS, retiredMs: 1_000 });
  return store;
}

/** The node at which a hub is. */
async function nodeOfHub({ nodes }: NatsCluster): Promise<NatsNode> {
  for (const node of nodes) {
    if (JSON.stringify(await node.page('/connz')).includes('agentmesh-hub')) return node;
  }
  throw new Error('no node has a hub');
}

/** How an envelope with this number fares: `stored`, or a code. */
async function fateOf(store: JetStreamHubStore, number: number): Promise<string> {
  const all = 1_000_000;
  const changes = {
    nowMs: NOW_MS,
    quota: { messages: all, bytes: all, senderMessages: all, senderBytes: all, retiredMs: 1_000 },
    acknowledge: [],
    reschedule: [],
    deadLetter: [],
    append: [
      {
        id: new Uint8Array(16).fill(number),
        from: new Uint8Array(32).fill(9),
        to: AID,
        tsMs: NOW_MS,
        expiresMs: NOW_MS + 60_000,
        rememberUntilMs: NOW_MS + 120_000,
        blob: new Uint8Array(10),
      },
    ],
  };
  try {
    return (await store.commit(changes)).appended[0]?.status ?? '';
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
      const store = await storeOver(cluster);
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
