/**
 * X25519 from libsodium (WebAssembly): for browsers and other hosts without `node:crypto`.
 * Owns nothing but the calls; the contract is in `types.ts`.
 */
import { sodium } from '../sodium.js';
import type { DhScalar } from './types.js';

export function publicKeyOf(scalar: DhScalar): Uint8Array {
  const library = sodium();
  return scalar.use((bytes) => library.crypto_scalarmult_base(bytes));
}

export function sharedSecret(scalar: DhScalar, publicKey: Uint8Array): Uint8Array | null {
  const library = sodium();
  try {
    return scalar.use((bytes) => library.crypto_scalarmult(bytes, publicKey));
  } catch {
    // It refuses low-order points by throwing; both lengths were checked before.
    return null;
  }
}
