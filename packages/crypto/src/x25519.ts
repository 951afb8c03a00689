/**
 * X25519 (RFC 7748). Owns key pairs from a scalar and the shared secret, refusing an all-zero
 * result; `#x25519` multiplies. The canonical encoding of received keys is `public-key.ts`'s
 * business.
 */
import { publicKeyOf, sharedSecret } from '#x25519';
import { assertLength, isZero } from './bytes.js';
import { CryptoError } from './errors.js';
import { Secret } from './secret.js';

/** Our X25519 key pair: 32-byte public key and unclamped 32-byte scalar. */
export interface DhKeyPair {
  readonly publicKey: Uint8Array;
  readonly scalar: Secret<'dh scalar'>;
}

export function dhKeyPair(scalar: Uint8Array): DhKeyPair {
  assertLength(scalar, 32, 'X25519 scalar');
  const secret = new Secret('dh scalar', scalar);
  return { publicKey: publicKeyOf(secret), scalar: secret };
}

/** The 32-byte shared secret, or BAD_KEY when the result is all zero (RFC 7748 §6.1). */
export function dh(scalar: Secret<'dh scalar'>, publicKey: Uint8Array): Uint8Array {
  assertLength(publicKey, 32, 'X25519 public key');
  const shared = sharedSecret(scalar, publicKey);
  if (shared === null || isZero(shared)) throw new CryptoError('BAD_KEY');
  return shared;
}
