/**
 * The whole promise of a hub, over one node of NATS.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { hubCompliance, hubQueueModel } from '@agentmesh/hub-compliance';
import type { StartHub } from '@agentmesh/hub-compliance';
import { SharedStreams, startClusteredHub } from './clustered-hub.js';
import { hasNats, NatsNode } from './nats-process.js';

/** Of the model, 500 with `FC_RUNS=500`. */
const HISTORIES = 5;

if (hasNats()) {
  let nats: NatsNode;
  let streams: SharedStreams;
  beforeAll(async () => {
    nats = await NatsNode.single();
    streams = await SharedStreams.make(nats.url, 1);
  });
  afterAll(async () => {
    await streams.close();
    await nats.dispose();
  });

  const start: StartHub = (setup) => startClusteredHub({ streams, hubs: 1 }, setup);
  hubCompliance('NetworkHubServer over NATS', start);
  hubQueueModel('NetworkHubServer over NATS', start, HISTORIES);
} else {
  describe('NetworkHubServer over NATS', () => {
    test.skip('needs nats-server, which is not installed and could not be', () => {
      expect(hasNats()).toBe(true);
    });
  });
}
