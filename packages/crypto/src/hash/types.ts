/**
 * The shape of the hash functions that both `node.ts` and `noble.ts` export as plain functions;
 * `#hash` chooses one of them when the package is loaded. Kept apart from `symmetric` so that a
 * hub can reach hashes without any decrypting code becoming reachable.
 */

/** What each implementation exports. The parts are hashed as one joined byte string. */
export interface Hash {
  /** SHA-256 (FIPS 180-4), 32 bytes. */
  sha256(...parts: readonly Uint8Array[]): Uint8Array;
  /** SHA-512 (FIPS 180-4), 64 bytes. */
  sha512(...parts: readonly Uint8Array[]): Uint8Array;
}
