/**
 * The public entry of `agentmesh`, the umbrella package: what a newcomer imports.
 * It owns nothing: each name comes from the layer that defines it.
 *
 * Left out: hub storage, frames, and the functions that agents are made of. They are in
 * `@agentmesh/hub-local`, `@agentmesh/protocol` and `@agentmesh/crypto`.
 */

// Agents and their messages.
export {
  Agent,
  log,
  openTelemetry,
  PROVENANCE_NOTE,
  rateLimit,
  requireTrust,
  verifyEvidence,
} from '@agentmesh/agent';
export type {
  AgentEvents,
  AgentOptions,
  AgentStatus,
  AgentStream,
  Call,
  CallOptions,
  Contact,
  ContactBook,
  ContactRequest,
  Duration,
  EventSent,
  Evidence,
  EvidenceParty,
  ExpectedParties,
  Handler,
  HandlerOptions,
  IncomingContext,
  IncomingMiddleware,
  InviteInfo,
  InviteOptions,
  Joined,
  JoinOptions,
  LogLevel,
  Message,
  Middleware,
  Outgoing,
  OutgoingContext,
  OutgoingMiddleware,
  PeerInfo,
  PromptOptions,
  ProvedMessage,
  Provenance,
  RateLimitOptions,
  ReplyOptions,
  RequestContext,
  RequestHandler,
  Requester,
  RotationOptions,
  SealedEnvelope,
  SendOptions,
  SendResult,
  ServeOptions,
  StreamHandler,
  StreamItem,
  Trust,
  VerifiedBy,
} from '@agentmesh/agent';
export type { BundleJson, JsonObject, JsonValue } from '@agentmesh/protocol';

// Hubs.
export { LocalHub } from '@agentmesh/hub-local';
export type { HubTraffic, LocalHubOptions } from '@agentmesh/hub-local';
export { NetworkHub } from '@agentmesh/hub-client';
export type { NetworkHubOptions } from '@agentmesh/hub-client';
export { decodeInvite } from '@agentmesh/protocol';
export { inviteQr } from './invite-qr.js';
export type { Hub, Invite } from '@agentmesh/protocol';

// Contracts: what agents offer each other. The rest of that package is for libraries.
export {
  ContractError,
  defineContract,
  describe,
  event,
  request,
  stream,
} from '@agentmesh/contract';
export type {
  Callers,
  ChunkStream,
  Contract,
  ContractErrorCode,
  Handlers,
} from '@agentmesh/contract';

// Keys and state that an application brings itself.
export { AgentKeyPair } from '@agentmesh/crypto';
export { MemoryStore } from '@agentmesh/agent';
export type { AgentStore } from '@agentmesh/agent';

// Errors: one base, and one class for each layer. Branch on `code`.
export { AgentMeshError, CryptoError } from '@agentmesh/crypto';
export type { CryptoErrorCode } from '@agentmesh/crypto';
export { ProtocolError } from '@agentmesh/protocol';
export type { ErrorCode } from '@agentmesh/protocol';
export {
  AgentError,
  IdentityChangedError,
  RemoteError,
  StorageError,
  UnconfirmedError,
} from '@agentmesh/agent';
export type { AgentErrorCode, StorageErrorCode } from '@agentmesh/agent';
export { NetworkHubError } from '@agentmesh/hub-client';
export type { NetworkHubErrorCode } from '@agentmesh/hub-client';
export { HubError } from '@agentmesh/hub-local';
export type { HubErrorCode } from '@agentmesh/hub-local';

export { version } from './version.js';
