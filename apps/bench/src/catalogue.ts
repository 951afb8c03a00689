/**
 * All benches, in the order of the document.
 * Owns the list only.
 */
import { agentsBench } from './benches/agents.js';
import { backlogBench } from './benches/backlog.js';
import { clusterBench } from './benches/cluster.js';
import { floodBench } from './benches/flood.js';
import { forgedBench } from './benches/forged.js';
import { growthBench } from './benches/growth.js';
import { hubBench } from './benches/hub.js';
import { idleBench } from './benches/idle.js';
import { latencyBench } from './benches/latency.js';
import { memoryBench } from './benches/memory.js';
import { peersBench } from './benches/peers.js';
import { requestsBench } from './benches/requests.js';
import { sealBench } from './benches/seal.js';
import { sessionBench } from './benches/session.js';
import { sizeBench } from './benches/size.js';
import type { Bench } from './harness/bench.js';
import { withoutAccelerator } from './harness/without-accelerator.js';

/** What must be reached where nothing native helps. */
const plainSeal = withoutAccelerator(sealBench, {
  '256-one-way': [{ measure: 'seal + open', against: 'libsignal', atMost: 1.4 }],
  '256-ping-pong': [{ measure: 'seal + open', against: 'libsignal', atMost: 1.2 }],
});
const plainSession = withoutAccelerator(sessionBench, {
  'set-up': [{ measure: 'set-up', against: 'libsignal', atMost: 1 }],
});
const plainAgents = withoutAccelerator(agentsBench, {
  'rate-1': [{ measure: 'rate', against: 'python', atLeast: 0.3 }],
  'rate-8': [{ measure: 'rate', against: 'python', atLeast: 0.3 }],
});

export const CATALOGUE: readonly Bench[] = [
  sealBench,
  plainSeal,
  sessionBench,
  plainSession,
  sizeBench,
  forgedBench,
  hubBench,
  latencyBench,
  floodBench,
  agentsBench,
  plainAgents,
  clusterBench,
  requestsBench,
  idleBench,
  peersBench,
  backlogBench,
  growthBench,
  memoryBench,
];
