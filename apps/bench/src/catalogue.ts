/**
 * All benches, in the order of the document.
 * Owns the list only.
 */
import { agentsBench } from './benches/agents.js';
import { backlogBench } from './benches/backlog.js';
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

export const CATALOGUE: readonly Bench[] = [
  sealBench,
  sessionBench,
  sizeBench,
  forgedBench,
  hubBench,
  latencyBench,
  floodBench,
  agentsBench,
  requestsBench,
  idleBench,
  peersBench,
  backlogBench,
  growthBench,
  memoryBench,
];
