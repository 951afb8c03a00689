/**
 * The nodes that other tests kill, freeze and cut off are real, and gone afterwards.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, test } from '@jest/globals';
import { NatsCluster } from './nats-cluster.js';
import { whyNoNetwork } from './nats-network.js';
import { hasNats } from './nats-process.js';

let cluster: NatsCluster | null = null;

afterEach(async () => {
  await cluster?.dispose();
  cluster = null;
});

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const endMs = Date.now() + 60_000; Date.now() < endMs;) {
    if (await condition()) return;
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
  }
  throw new Error('waited in vain');
}

const isThere = (pid: number) => existsSync(`/proc/${pid}`);
const namespaces = () => spawnSync('ip', ['netns'], { encoding: 'utf8' }).stdout;

if (hasNats()) {
  describe('three nodes of NATS on loopback', () => {
    test('elect another leader when theirs is killed, take it back, and leave nothing', async () => {
      cluster = await NatsCluster.start();
      const { nodes } = cluster;
      const first = await cluster.leader();
      await first.kill();
      await until(async () => (await cluster?.leader()) !== first);
      await first.start();
      await cluster.healthy();
      const second = await cluster.leader();
      await second.freeze();
      expect(await second.page('/healthz')).toBeNull();
      second.thaw();
      await cluster.healthy();
      const pids = nodes.map(({ pid }) => pid);
      expect(pids.every(isThere)).toBe(true);
      await cluster.dispose();
      expect(pids.some(isThere)).toBe(false);
      expect(nodes.some(({ folder }) => existsSync(folder))).toBe(false);
    });
  });
} else {
  describe('three nodes of NATS on loopback', () => {
    test.skip('need nats-server, which is not installed and could not be', () => {
      expect(hasNats()).toBe(true);
    });
  });
}

const why = hasNats() ? whyNoNetwork() : 'nats-server is not installed and could not be';
if (why === null) {
  describe('three nodes of NATS in network namespaces', () => {
    test('go on without one that is cut off from its peers, and take it back', async () => {
      cluster = await NatsCluster.start({ canBeCut: true });
      const first = await cluster.leader();
      cluster.cut(first, 'peers');
      await until(async () => (await cluster?.leader()) !== first);
      cluster.heal(first);
      await cluster.healthy();
      cluster.cut(first, 'clients');
      expect(await first.page('/varz')).toBeNull();
      const number = /198\.18\.(\d+)/.exec(first.url)?.[1];
      expect(namespaces()).toContain(`agentmesh-${number}-n1`);
      await cluster.dispose();
      expect(namespaces()).not.toContain(`agentmesh-${number}`);
    });
  });
} else {
  describe('three nodes of NATS in network namespaces', () => {
    test.skip(`cannot be cut off from each other: ${why}`, () => {
      expect(why).toBeNull();
    });
  });
}
