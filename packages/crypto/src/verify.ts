/**
 * Entry `@agentmesh/crypto/verify`: what can be done with public keys alone, and all that a hub may
 * use of this package. From here no module is reachable that could decrypt a message.
 */
export { ready } from './sodium.js';
export { AgentMeshError, CryptoError } from './errors.js';
export type { CryptoErrorCode } from './errors.js';

export {
  addressOf,
  aidOfAddress,
  assertAgentName,
  importIdentity,
  isAgentName,
} from './identity.js';
export type { PublicIdentity } from './identity.js';
export { fingerprintOf, fingerprintsEqual, isFingerprint, safetyNumber } from './fingerprint.js';

export { parseIdentityRecord, verifySuccessor } from './identity-record.js';
export type { IdentityRecord } from './identity-record.js';
export { parseRevocation, REVOCATION_REASON, verifyRevocation } from './revocation.js';
export type { Revocation } from './revocation.js';
export { keyDigest, parsePrekeyRecord } from './prekey.js';
export type { PrekeyKind, PrekeyRecord } from './prekey.js';
export type { Bundle } from './bundle.js';

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

export { sha256 } from '#hash';
export { concatBytes, equalBytes, fromHex, toHex } from './bytes.js';
export { systemRandom } from './random.js';
export type { RandomSource } from './random.js';
export { LIMITS } from './limits.js';
