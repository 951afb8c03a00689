/**
 * The shape of the X25519 functions that both `node.ts` and `sodium.ts` export; `#x25519` chooses
 * one of them when the package is loaded. Owns the contract; lengths and zero results are judged by
 * `x25519.ts`.
 */
import type { Secret } from '../secret.js';

/** An unclamped 32-byte scalar (RFC 7748 §5). */
export type DhScalar = Secret<'dh scalar'>;

/** What each implementation exports. Results are plain `Uint8Array`s with memory of their own. */
export interface X25519 {
  /** The 32-byte public key of a scalar. */
  publicKeyOf(scalar: DhScalar): Uint8Array;
  /** The 32-byte shared secret, or null where the library itself refuses the public key. */
  sharedSecret(scalar: DhScalar, publicKey: Uint8Array): Uint8Array | null;
}
