/**
 * The public entry of `@agentmesh/protocol`: the Hub interface, hub frames, their codecs, error
 * codes and limits, and what a hub verifies. It does not know sockets, storage or agents.
 *
 * Left inside: the zod schemas of single fields and frames, and the JSON scanner.
 */

// The hub, as agents see it.
export type {
  AgentPage,
  Delivery,
  DeliveryNotice,
  DeliveryRefusal,
  Envelope,
  Hub,
  HubConnection,
  HubCredentials,
  HubEvents,
  HubSession,
  StoreTimelines,
  KeyState,
  OutgoingEnvelope,
  PrekeyUpload,
} from './hub.js';

// The client's end of one connection, without a socket.
export { HubChannel } from './hub-channel.js';
export type { ChannelTransport, HubChannelOptions } from './hub-channel.js';
export { Pace } from './pace.js';
export type { RequestCost } from './pace.js';

// Errors, limits, versions.
export {
  CLOSE_CODES,
  ERROR_CODES,
  isErrorCode,
  isFinal,
  peerNotFound,
  ProtocolError,
  tooLarge,
} from './errors.js';
export type { Checked, CloseReason, ErrorCode, ErrorRule, ProtocolErrorOptions } from './errors.js';
export { PROTOCOL_LIMITS } from './limits.js';
export { monotonicClock, systemClock } from './clock.js';
export type { Clock } from './clock.js';
export { SteadyClock } from './steady-clock.js';
export {
  commonFeatures,
  negotiateVersion,
  PROTOCOL_VERSION,
  FEATURES,
  SUPPORTED_FEATURES,
  SUPPORTED_VERSIONS,
} from './version.js';

// Frames and their text.
export {
  decodeClientFrame,
  decodeHubFrame,
  encodeFrame,
  errorFrame,
  errorOfFrame,
  parseClientFrame,
  parseHubFrame,
} from './frame-codec.js';
export type { Decoded } from './frame-codec.js';
export { gathered } from './many.js';
export { clientFrame } from './client-frames.js';
export type {
  AckFrame,
  AuthFrame,
  BeginFrame,
  ClientFrame,
  CreditFrame,
  GetBundleFrame,
  ListFrame,
  NackFrame,
  PingFrame,
  PutIdentityFrame,
  PutPrekeysFrame,
  PutRevocationFrame,
  RequestFrame,
  SendFrame,
  SendManyFrame,
} from './client-frames.js';
export { hubFrame } from './hub-frames.js';
export type {
  AgentsFrame,
  AuthOkFrame,
  BundleFrame,
  ByeFrame,
  DeliverFrame,
  DeliverManyFrame,
  ErrorFrame,
  HelloFrame,
  HubFrame,
  HubLimits,
  NoticeFrame,
  OkFrame,
  PongFrame,
  ReplyFrame,
  SentFrame,
  SentManyFrame,
} from './hub-frames.js';

// Payloads, bundles, names, binary text.
export { decodePayload, encodePayload, FORBIDDEN_KEYS } from './payload.js';
export { decodeInvite, encodeInvite } from './invite.js';
export type { Invite } from './invite.js';
export { escaped, visible } from './visible-text.js';
export type { JsonObject, JsonValue } from './json-text.js';
export { decodeBundle, encodeBundle } from './bundle.js';
export type { BundleJson } from './bundle.js';
export { isRegistrableName, parsePeer } from './peer.js';
export type { PeerReference } from './peer.js';
export { fromBase64Url, toBase64Url } from './base64url.js';

// Authentication of both sides, and what a hub checks before it stores keys.
export {
  acceptHello,
  createAuth,
  createBegin,
  greet,
  NO_CHANNEL_BINDING,
  sayAsHub,
  tooLate,
  verifyClientAuth,
  wasSaidByHub,
  withAuth,
} from './authentication.js';
export type {
  AuthenticatedClient,
  AuthRequest,
  ChannelBinding,
  ClientAuthCheck,
  Greeting,
  HelloCheck,
  HubVoice,
  ProvedHub,
  Spoken,
} from './authentication.js';
export type { SignedFrame } from './signed-text.js';
export {
  readPublishedRevocation,
  verifyPublishedPrekeys,
  verifyPublishedRecord,
  verifyPublishedRevocation,
} from './publication.js';
export type {
  PrekeyPublication,
  PublishedPrekeys,
  PublishedRecord,
  RecordPublication,
} from './publication.js';

// What hubs need of the cryptographic layer; they may import it from nowhere else.
export {
  addressOf,
  AgentMeshError,
  aidOfAddress,
  assertAgentName,
  concatBytes,
  equalBytes,
  fromHex,
  hubIdOf,
  HubKeyPair,
  isAgentName,
  keyDigest,
  ready,
  sha256,
  systemRandom,
  toHex,
} from '@agentmesh/crypto/verify';
export type {
  Bundle,
  ChannelBindingType,
  IdentityRecord,
  PrekeyRecord,
  PublicIdentity,
  RandomSource,
  Revocation,
} from '@agentmesh/crypto/verify';
