/**
 * The public door of `@agentmesh/agent`: one class, what it takes and gives, and where it keeps its
 * rows. It knows no particular hub. Left inside: sessions, windows, outbox and inbox.
 */

// What these types use and the `lib` of a program may lack: `await using`, Promise.withResolvers.
/// <reference lib="esnext.disposable" preserve="true" />
/// <reference lib="es2024.promise" preserve="true" />

export { Agent } from './agent.js';
export type { AgentOptions, LogLevel } from './engine/options.js';
export type { Handler, HandlerOptions } from './handling/handlers.js';
export type { Mailbox, TakeOptions } from './handling/mailbox.js';
export type { Duration } from './ground/duration.js';
export { log, rateLimit, requireTrust } from './around/shipped.js';
export type { Middleware, RateLimitOptions } from './around/shipped.js';
export { openTelemetry } from './around/spans.js';
export type {
  TelemetryApi,
  TelemetrySpan,
  TelemetrySpanContext,
  TelemetryTraceState,
} from './around/spans.js';
export type { TraceContext } from './ground/tracing.js';
export type { IncomingContext, IncomingMiddleware } from './around/incoming.js';
export type { Outgoing, OutgoingContext, OutgoingMiddleware } from './around/outgoing.js';
export type { CallOptions } from './calling-agent.js';
export type { ServeOptions, StreamHandler } from './calling-agent.js';
export type { EventSent } from './calls/contract-client.js';
export type { AgentStream } from './calls/agent-stream.js';
export type { Call } from './calls/call.js';
export type { StreamItem } from './calls/stream-items.js';
export { RemoteError } from './calls/remote-error.js';
export type { RequestContext, Requester } from './calls/request-context.js';
export type { RequestHandler } from './calls/request-server.js';
export type { Message, ReplyOptions, SendOptions, SendResult } from './message/message.js';
export type { Contact, ContactBook, ContactRequest } from './contact-book.js';
export type { InviteOptions, Joined, JoinOptions } from './joining.js';
export type { InviteInfo } from './receiving/invites.js';
export { verifyEvidence } from './message/evidence.js';
export type {
  Evidence,
  EvidenceParty,
  ExpectedParties,
  ProvedMessage,
} from './message/evidence.js';
export { answerToPrompt, PROVENANCE_NOTE } from './message/provenance.js';
export type { Answered, PromptOptions, Provenance } from './message/provenance.js';
export type { Trust, VerifiedBy } from './conversation/peer.js';
export type { DeadLetter } from './receiving/dead-letters.js';
export type { AgentEvents } from './message/events.js';
export type { RotationOptions } from './changes/rotation.js';
export type { AgentStatus, PeerInfo } from './engine/status.js';
export type { SealedEnvelope } from './sending/sealed-envelope.js';

// Storage: the contract, and rows in memory.
export { MemoryStore } from './store/memory-store.js';
export type { AgentStore, StoreOperation, StoreRange, StoreRow } from './store/store.js';

// Errors, and what an agent takes from the machine.
export {
  AgentError,
  IdentityChangedError,
  StorageError,
  UnconfirmedError,
} from './ground/errors.js';
export type { AgentErrorCode, StorageErrorCode } from './ground/errors.js';
export type { Logger, Runtime } from './ground/runtime.js';
