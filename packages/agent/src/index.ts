/**
 * The public door of `@agentmesh/agent`: one class, what it takes and gives, and where it keeps its
 * rows. It knows no particular hub. Left inside: sessions, windows, outbox and inbox.
 */

export { Agent } from './agent.js';
export type { AgentOptions, LogLevel } from './options.js';
export type { Handler } from './receiving/dispatcher.js';
export type { Message, SendResult } from './message.js';
export type { DeadLetter } from './receiving/dead-letters.js';
export type { AgentEvents } from './events.js';
export type { RotationOptions } from './identity/rotation.js';
export type { AgentStatus, PeerInfo } from './status.js';
export type { SealedEnvelope } from './sending/sealed-envelope.js';

// Storage: the contract, and rows in memory.
export { MemoryStore } from './store/memory-store.js';
export type { AgentStore, StoreOperation, StoreRange, StoreRow } from './store/store.js';

// Errors, and what an agent takes from the machine.
export { AgentError, IdentityChangedError, StorageError } from './errors.js';
export type { AgentErrorCode, StorageErrorCode } from './errors.js';
export type { Logger, Runtime } from './runtime.js';
