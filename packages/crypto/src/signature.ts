/**
 * Ed25519 (RFC 8032), cofactorless and strict. Owns signing from a seed and verification.
 * Verification assumes that the public key has passed `public-key.ts`: libsodium itself accepts
 * keys outside the main subgroup.
 */
import { assertLength } from './bytes.js';
import { sodium } from './sodium.js';

/** A signing key: the 64-byte form (seed and public key together) that libsodium wants. */
export interface SigningKey {
  readonly publicKey: Uint8Array;
  readonly secretKey: Uint8Array;
}

/** Expands a 32-byte seed. The public key is always derived here, never taken from outside. */
export function signingKeyFromSeed(seed: Uint8Array): SigningKey {
  assertLength(seed, 32, 'signing seed');
  const pair = sodium().crypto_sign_seed_keypair(seed);
  return { publicKey: pair.publicKey, secretKey: pair.privateKey };
}

/** 64-byte detached signature. */
export function sign(key: SigningKey, message: Uint8Array): Uint8Array {
  return sodium().crypto_sign_detached(message, key.secretKey);
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
