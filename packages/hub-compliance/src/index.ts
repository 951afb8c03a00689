/**
 * The door of `@agentmesh/hub-compliance`: the suites, and the hubs and clients that tests of other
 * packages need. Private: it is never published.
 */
export { hubCompliance } from './hub-compliance.js';
export { hubQueueModel } from './hub-queue-model.js';
export { BAD_FRAMES } from './hub-bad-frames.js';
export { storeCompliance } from './store-compliance.js';
export type {
  HubSetup,
  HubUnderTest,
  OpenStore,
  StartHub,
  StoreUnderTest,
} from './hub-under-test.js';
export { InterruptedHub } from './interrupted-hub.js';
export { MaliciousHub } from './malicious-hub.js';
export type { BundleQuestion, Deviations, Passed } from './malicious-hub.js';
export { ManualHost } from './manual-host.js';
export { RawClient, UnexpectedEnd } from './raw-client.js';
export { randomRuns } from './random-runs.js';
export type { RandomRuns } from './random-runs.js';
export { seededRandom } from './seeded-random.js';
export { TestAgent } from './test-agent.js';
export type { RecordWish } from './test-agent.js';
