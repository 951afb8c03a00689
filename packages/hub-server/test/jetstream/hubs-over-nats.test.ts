/**
 * The whole promise of a hub, kept by two hubs over three nodes of NATS with three copies of
 * everything: agents are connected to one or the other as it comes.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { hubCompliance, hubQueueModel } from '@agentmesh/hub-compliance';
import type { StartHub } from '@agentmesh/hub-compliance';
import { SharedStreams, startClusteredHub } from './clustered-hub.js';
import { NatsCluster } from './nats-cluster.js';
import { hasNats } from './nats-process.js';

/** Of the model, 500 with `FC_RUNS=500`. */
const HISTORIES = 5;

if (hasNats()) {
  let nats: NatsCluster;
  let streams: SharedStreams;
  beforeAll(async () => {
    nats = await NatsCluster.start();
    streams = await SharedStreams.make(nats.servers, 3);
  }, 60_000);
  afterAll(async () => {
    await streams.close();
    await nats.dispose();
  });

  const start: StartHub = (setup) => startClusteredHub({ streams, hubs: 2 }, setup);
  hubCompliance('two NetworkHubServers over three nodes of NATS', start);
  hubQueueModel('two NetworkHubServers over three nodes of NATS', start, HISTORIES);
} else {
  describe('two NetworkHubServers over three nodes of NATS', () => {
    test.skip('need nats-server, which is not installed and could not be', () => {
      expect(hasNats()).toBe(true);
    });
  });
}
