/**
 * The entry `@agentmesh/hub-server/jetstream`: a store that many hubs share, in NATS JetStream.
 * A separate entry, so that a hub with SQLite loads nothing of NATS.
 */
export { JetStreamHubStore } from './jetstream/jetstream-hub-store.js';
export type { JetStreamHubStoreOptions } from './jetstream/jetstream-hub-store.js';
export type { NatsAccess } from './jetstream/nats-address.js';
export { JetStreamStoreError } from './jetstream/jetstream-error.js';
export type { JetStreamStoreErrorCode } from './jetstream/jetstream-error.js';
