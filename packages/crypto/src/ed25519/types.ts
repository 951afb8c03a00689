/**
 * The shape of the signing that both `node.ts` and `sodium.ts` export; `#ed25519` chooses one of
 * them when the package is loaded. Owns the contract. Verification is not part of it: only
 * libsodium's is strict enough (protocol.md §2.1).
 */

/** A signing key: the 64-byte form (seed and public key together) that libsodium wants. */
export interface SigningKey {
  readonly publicKey: Uint8Array;
  readonly secretKey: Uint8Array;
}

/** What each implementation exports. Results are plain `Uint8Array`s with memory of their own. */
export interface Ed25519 {
  /** 64-byte detached signature, which depends on key and message only. */
  sign(key: SigningKey, message: Uint8Array): Uint8Array;
}
