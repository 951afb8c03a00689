/**
 * The public door of `@agentmesh/hub-server`: the hub as a network server and its durable store.
 * It cannot decrypt: nothing of the secret side of `@agentmesh/crypto` is reachable from here.
 */

// Storage.
export { SqliteHubStore } from './sqlite/sqlite-hub-store.js';
export type { SqliteHubStoreOptions } from './sqlite/sqlite-hub-store.js';
export { HubStoreError } from './sqlite/store-error.js';
export type { HubStoreErrorCode } from './sqlite/store-error.js';
export type { Failpoint, FailpointName } from './sqlite/failpoint.js';
