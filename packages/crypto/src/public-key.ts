/**
 * Key checks at import (protocol.md §2.1): what every public key must pass once before it is used.
 * Owns the checks that libraries leave out: canonical encodings, small order, torsion, modulus.
 */
import { isZero } from './bytes.js';
import { CryptoError } from './errors.js';
import { sodium } from './sodium.js';

/** Bytes of an ML-KEM-768 encapsulation key. */
export const KEM_PUBLIC_BYTES = 1184;

/** Refuses an Ed25519 public key that is not canonical, of small order or outside the group. */
export function checkSigningKey(key: Uint8Array): Uint8Array {
  if (!isBytes(key, 32) || !isBelowFieldPrime(key, 0x7f)) throw new CryptoError('BAD_KEY');
  const library = sodium();
  try {
    // Refuses points off the curve, of small order and outside the prime-order subgroup.
    library.crypto_sign_ed25519_pk_to_curve25519(key);
  } catch {
    throw new CryptoError('BAD_KEY');
  }
  return key;
}

/** Refuses a non-canonical X25519 public key (so the high bit is 0) and points of small order. */
export function checkDhKey(key: Uint8Array): Uint8Array {
  if (isSmallOrder(checkCanonicalDhKey(key))) throw new CryptoError('BAD_KEY');
  return key;
}

/**
 * The encoding alone: enough for a key that is used at once, since `x25519` refuses the all-zero
 * result that a point of small order gives.
 */
export function checkCanonicalDhKey(key: Uint8Array): Uint8Array {
  if (!isBytes(key, 32) || !isBelowFieldPrime(key, 0xff)) throw new CryptoError('BAD_KEY');
  return key;
}

/** Refuses an ML-KEM-768 encapsulation key with a coefficient over the modulus (FIPS 203 §7.2). */
export function checkKemKey(key: Uint8Array): Uint8Array {
  if (!isBytes(key, KEM_PUBLIC_BYTES)) throw new CryptoError('BAD_KEY');
  const coefficientBytes = KEM_PUBLIC_BYTES - 32;
  for (let at = 0; at < coefficientBytes; at += 3) {
    const [a = 0, b = 0, c = 0] = key.subarray(at, at + 3);
    const first = a | ((b & 0x0f) << 8);
    const second = (b >>> 4) | (c << 4);
    if (first >= 3329 || second >= 3329) throw new CryptoError('BAD_KEY');
  }
  return key;
}

/** libsodium would take a string for its UTF-8 bytes. */
function isBytes(key: Uint8Array, length: number): boolean {
  return key instanceof Uint8Array && key.length === length;
}

/** value < 2^255 - 19 of a little-endian field element; `topMask` hides Ed25519's sign bit. */
function isBelowFieldPrime(key: Uint8Array, topMask: number): boolean {
  const top = (key[31] ?? 0xff) & topMask;
  if (top !== 0x7f) return top < 0x7f;
  for (let i = 30; i > 0; i--) if (key[i] !== 0xff) return true;
  return (key[0] ?? 0xff) < 0xed;
}

/** Whether multiplying by the cofactor gives zero: libsodium refuses exactly these points. */
function isSmallOrder(key: Uint8Array): boolean {
  const library = sodium();
  try {
    return isZero(library.crypto_scalarmult(ANY_SCALAR, key));
  } catch {
    return true;
  }
}

/** Any clamped scalar is a multiple of the cofactor 8, so it sends small-order points to zero. */
const ANY_SCALAR = new Uint8Array(32);
