/**
 * Ed25519 (RFC 8032), cofactorless and strict. Owns signing keys from a seed and verification;
 * `#ed25519` signs.
 * Verification assumes that the public key has passed `public-key.ts`: libsodium itself accepts
 * keys outside the main subgroup.
 */
import { assertLength } from './bytes.js';
import type { SigningKey } from './ed25519/types.js';
import { sodium } from './sodium.js';

export { sign } from '#ed25519';
export type { SigningKey };

/** Expands a 32-byte seed. The public key is always derived here, never taken from outside. */
export function signingKeyFromSeed(seed: Uint8Array): SigningKey {
  assertLength(seed, 32, 'signing seed');
  const pair = sodium().crypto_sign_seed_keypair(seed);
  return { publicKey: pair.publicKey, secretKey: pair.privateKey };
}

/** Whether the signature is valid. Any wrong length or malformed value is simply `false`. */
export function verifySignature(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (signature.length !== 64 || publicKey.length !== 32) return false;
  try {
    return sodium().crypto_sign_verify_detached(signature, message, publicKey);
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) return false;
    throw error;
  }
}
