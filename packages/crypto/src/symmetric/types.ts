/**
 * The shape of the symmetric primitives that both `node.ts` and `noble.ts` export as plain
 * functions; `#symmetric` chooses one of them when the package is loaded. Owns the inputs and
 * their bounds. Does not own keys, labels or nonces: the protocol modules derive those.
 */

/** Inputs of HKDF-SHA-256 (RFC 5869). An empty salt means 32 zero bytes, as the RFC says. */
export interface HkdfInput {
  readonly salt: Uint8Array;
  readonly ikm: Uint8Array;
  readonly info: Uint8Array;
  /** Bytes wanted, 1 to {@link HKDF_MAX_LENGTH}. */
  readonly length: number;
}

/** 255 blocks of SHA-256 (RFC 5869 §2.3). */
export const HKDF_MAX_LENGTH = 255 * 32;

/** Longest info that `node:crypto` takes; noble has no bound and is held to the same one. */
export const HKDF_MAX_INFO = 1024;

export const AES_KEY_BYTES = 32;
export const GCM_NONCE_BYTES = 12;
export const GCM_TAG_BYTES = 16;

/** Inputs of sealing: 32-byte key, 12-byte nonce. The pair must never be used twice. */
export interface SealInput {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly plaintext: Uint8Array;
  readonly associatedData: Uint8Array;
}

/** Inputs of opening; the ciphertext carries its 16-byte tag at the end. */
export interface OpenInput {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly associatedData: Uint8Array;
}

/** What each implementation exports. Results are plain `Uint8Array`s with memory of their own. */
export interface Symmetric {
  /** HMAC-SHA-256 (RFC 2104), 32 bytes. */
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** HKDF-SHA-256; INVALID_ARGUMENT when a length is out of bounds. */
  hkdfSha256(input: HkdfInput): Uint8Array;
  /** Ciphertext and 16-byte tag; INVALID_ARGUMENT for a key or nonce of another length. */
  aes256GcmSeal(input: SealInput): Uint8Array;
  /** The plaintext, or null when it does not authenticate (too short included). */
  aes256GcmOpen(input: OpenInput): Uint8Array | null;
}
