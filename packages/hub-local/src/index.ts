/**
 * The public entry of `@agentmesh/hub-local`: the hub for one process, the router that every hub is
 * made of, and the contract of its storage. It cannot decrypt: nothing of the secret side of
 * `@agentmesh/crypto` is reachable from here.
 */

// A hub in this process.
export { LocalHub } from './local-hub.js';
export type { HandedEnvelope, LocalHubOptions } from './local-hub.js';
export type { LoopbackClient } from './loopback.js';
export type { HubTraffic } from './hub-context.js';

// The router, for those who bring connections to it.
export { HubCore } from './hub-core.js';
export type { HubCoreOptions } from './hub-core.js';
export type { HubObserver } from './hub-context.js';
export type { ServedConnection } from './connection.js';
export type { Link, Peer } from './link.js';
export type { HubHost } from './hub-host.js';
export { systemHost } from './hub-host.js';
export type { Registration } from './registration.js';
export { CORE_LIMITS, coreLimits } from './core-limits.js';
export { hasQueueRoom } from './queue-share.js';
export { RefusedBefore } from './send-order.js';
export type { QueueLoad, RoomRequest } from './queue-share.js';
export type { CoreLimits } from './core-limits.js';
export { HubError } from './errors.js';
export type { HubErrorCode } from './errors.js';

// Hubs that share a store.
export type {
  AgentSpending,
  AgentStanding,
  HandedOver,
  HubNeighbours,
  HubNews,
  NeighbourListener,
  PutOff,
} from './neighbours.js';

// Storage.
export { MemoryHubStore } from './memory-hub-store.js';
export type { MemoryHubStoreOptions } from './memory-hub-store.js';
export type {
  BundleRequest,
  ClaimResult,
  HubDirectoryStore,
  IdentityUpdate,
  KeyInventory,
  Leaving,
  NameClaim,
  NameQuery,
  PrekeyUpdate,
  PutIdentityResult,
  PutPrekeysResult,
  RevocationUpdate,
  StoredBundle,
  StoredOneTimePrekey,
  StoredSignedPrekey,
  StoreOpening,
} from './directory-store.js';
export type {
  AppendOutcome,
  CommitResult,
  DelayedEnvelope,
  DueEnvelope,
  ExpireRequest,
  ExpireResult,
  FetchQuery,
  HubQueueStore,
  HubStore,
  NewEnvelope,
  OrderTicket,
  NoticeQuery,
  QueueAcknowledgement,
  QueueChanges,
  OutlinedEnvelope,
  OutlineQuery,
  QueueEntry,
  QueueOutline,
  QueuePage,
  QueueQuery,
  QueueQuota,
  QueueReference,
  QueueReschedule,
  StoreCounts,
  StoredNotice,
} from './hub-store.js';
