/**
 * The public entry of `@agentmesh/hub-server`: the hub as a network server and its durable store.
 * It cannot decrypt: nothing of the secret side of `@agentmesh/crypto` is reachable from here.
 */

// Storage.
export { SqliteHubStore } from './sqlite/sqlite-hub-store.js';
export type { SqliteHubStoreOptions } from './sqlite/sqlite-store-options.js';
export { HubStoreError } from './sqlite/store-error.js';
export type { HubStoreErrorCode } from './sqlite/store-error.js';
export type { Failpoint, FailpointName } from './sqlite/failpoint.js';

// The server.
export { NetworkHubServer } from './network-hub-server.js';
export type { NetworkHubServerOptions } from './network-hub-server.js';
export { HubMetrics } from './hub-metrics.js';
export type { MetricSources } from './hub-metrics.js';
export type { HubLogger } from './logger.js';
export type { TlsIdentity } from './net/front-door.js';
export { createCertificate, loadOrCreateCertificate, readTlsIdentity } from './certificate.js';
export { ServerError } from './server-error.js';
export type { ServerErrorCode } from './server-error.js';

// The operator of a running hub.
export { serveOperator } from './control/operator.js';
export type { OperatorOptions, OperatorSocket } from './control/operator.js';
export { BannedAgents } from './control/banned.js';
export { HubTokens } from './cli/registration-files.js';
export type { BannedAgent } from './control/banned.js';
export type { HubControlParts, OperatedHub } from './control/hub-control.js';
export type {
  QueuePart,
  QueueSummary,
  StoredAgent,
  StoreOperations,
} from './control/store-operations.js';
