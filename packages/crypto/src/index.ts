/**
 * `@agentmesh/crypto`: identities, handshake, ratchet and sealing as pure functions over readonly
 * state. Not exported on purpose: chain, root and message keys, the handshake alone, the wire
 * encoder, and anything that would let a message key be used twice.
 */

// Sessions: begin, seal, open.
export { performKeyExchange, unsealInitial } from './key-exchange.js';
export type {
  KeyExchangeRequest,
  OpenedInitial,
  PrekeyLookup,
  UnsealInitialRequest,
} from './key-exchange.js';
export { seal } from './seal.js';
export type { Sealed, SealRequest } from './seal.js';
export { unseal } from './unseal.js';
export type { Opened, Refused, UnsealRequest } from './unseal.js';
export { betterSession, expireSkippedKeys } from './session.js';
export type { CryptoSession, EstablishedSession, InitiatingSession } from './session.js';
export {
  decodeSession,
  decodeSkippedKeys,
  encodeSession,
  encodeSkippedKeys,
} from './session-codec.js';
export { verifyAuthorship } from './authorship.js';
export type { Authorship, MessageProof, SignedContent } from './authorship.js';
export { parseMessage } from './wire.js';
export type { ParsedMessage, PrekeyBlock } from './wire.js';
export {
  CONTENT_KIND,
  decodeContent,
  decodeRetry,
  encodeContent,
  encodeRetry,
  mustBeUnderstood,
} from './content.js';
export type { Content, ContentKind, SequenceRange } from './content.js';
export { CALL_FRAME, decodeCallFrames, encodeCallFrames, nextPartHash } from './call-frames.js';
export type { CallFrame } from './call-frames.js';

// Who one is, and who the peer is.
export { AgentKeyPair } from './key-pair.js';
export type { AgentSecrets } from './key-pair.js';
export {
  addressOf,
  aidOf,
  aidOfAddress,
  assertAgentName,
  importIdentity,
  isAgentName,
} from './identity.js';
export type { PublicIdentity } from './identity.js';
export {
  fingerprintOf,
  fingerprintsEqual,
  isFingerprint,
  legacyFingerprintOf,
  safetyNumber,
} from './fingerprint.js';

// What is published and checked.
export { createIdentityRecord, parseIdentityRecord, verifySuccessor } from './identity-record.js';
export type { IdentityRecord, IdentityRecordRequest } from './identity-record.js';
export {
  createRevocation,
  parseRevocation,
  REVOCATION_REASON,
  verifyRevocation,
} from './revocation.js';
export type { Revocation, RevocationReason, RevocationRequest } from './revocation.js';
export { keyDigest, parsePrekeyRecord } from './prekey.js';
export type { PrekeyKind, PrekeyRecord } from './prekey.js';
export { createPrekey, decodePrekeyPair, encodePrekeyPair } from './prekey-pair.js';
export type { PrekeyPair, PrekeyRequest } from './prekey-pair.js';
export { isHandedOver, verifyBundle, verifyBundleRecord } from './bundle.js';
export type { Bundle, BundleExpectation, KnownPeer, PeerBundle } from './bundle.js';
export {
  hubAuthBytes,
  hubIdOf,
  HubKeyPair,
  hubProofBytes,
  hubSaidBytes,
  hubTranscript,
  importHubKey,
  transcriptWithAuth,
  verifyHubAuth,
  verifyHubProof,
  verifyHubSaid,
} from './hub-auth.js';
export type { ChannelBindingType, HubAuthTranscript, HubGreeting } from './hub-auth.js';

// Ground: loading, errors, limits, bytes.
export { inviteId, inviteMac } from './invite.js';
export { cryptoBackend, ready } from './sodium.js';
export { AgentMeshError, CryptoError } from './errors.js';
export type { CryptoErrorCode } from './errors.js';
export { LIMITS } from './limits.js';
export { systemRandom } from './random.js';
export type { RandomSource } from './random.js';
export { Secret } from './secret.js';
export { concatBytes, equalBytes, fromHex, toHex } from './bytes.js';
