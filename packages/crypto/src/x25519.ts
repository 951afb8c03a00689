/**
 * X25519 (RFC 7748). Owns key pairs from a scalar and the shared secret, refusing an all-zero
 * result. The canonical encoding of received keys is `public-key.ts`'s business.
 */
import { assertLength, isZero } from './bytes.js';
import { CryptoError } from './errors.js';
import { Secret } from './secret.js';
import { sodium } from './sodium.js';

/** Our X25519 key pair: 32-byte public key and unclamped 32-byte scalar. */
export interface DhKeyPair {
  readonly publicKey: Uint8Array;
  readonly scalar: Secret<'dh scalar'>;
}

export function dhKeyPair(scalar: Uint8Array): DhKeyPair {
  assertLength(scalar, 32, 'X25519 scalar');
  return {
    publicKey: sodium().crypto_scalarmult_base(scalar),
    scalar: new Secret('dh scalar', scalar),
  };
}

/** The 32-byte shared secret, or BAD_KEY when the result is all zero (RFC 7748 §6.1). */
export function dh(scalar: Secret<'dh scalar'>, publicKey: Uint8Array): Uint8Array {
  assertLength(publicKey, 32, 'X25519 public key');
  const shared = sharedOrNull(scalar.reveal(), publicKey);
  if (shared === null || isZero(shared)) throw new CryptoError('BAD_KEY');
  return shared;
}

function sharedOrNull(scalar: Uint8Array, publicKey: Uint8Array): Uint8Array | null {
  const library = sodium();
  try {
    return library.crypto_scalarmult(scalar, publicKey);
  } catch {
    // libsodium refuses low-order points by throwing; both lengths were checked before.
    return null;
  }
}
