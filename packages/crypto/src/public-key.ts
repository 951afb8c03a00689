/**
 * Key checks at import (protocol.md §2.1): what every public key must pass once before it is used.
 * Owns the checks that libraries leave out: canonical encodings, small order, torsion, modulus.
 */
import { toHex } from './bytes.js';
import { CryptoError } from './errors.js';
import { sodium } from './sodium.js';

/** Bytes of an ML-KEM-768 encapsulation key. */
export const KEM_PUBLIC_BYTES = 1184;

/** Refuses an Ed25519 public key that is not canonical, of small order or outside the group. */
export function checkSigningKey(key: Uint8Array): Uint8Array {
  if (!isBytes(key, 32) || !isBelowFieldPrime(key, 0x7f)) throw new CryptoError('BAD_KEY');
  const name = toHex(key);
  if (passed.has(name)) return key;
  const library = sodium();
  try {
    // Refuses points off the curve, of small order and outside the prime-order subgroup.
    library.crypto_sign_ed25519_pk_to_curve25519(key);
  } catch {
    throw new CryptoError('BAD_KEY');
  }
  remember(name);
  return key;
}

/** Keys that passed lately, in hex: the check costs as much as verifying a signature. */
const passed = new Set<string>();
const PASSED_MAX = 4_096;

function remember(name: string): void {
  const [oldest] = passed;
  if (oldest !== undefined && passed.size >= PASSED_MAX) passed.delete(oldest);
  passed.add(name);
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
    const middle = key[at + 1] ?? 0;
    const first = (key[at] ?? 0) | ((middle & 0x0f) << 8);
    const second = (middle >>> 4) | ((key[at + 2] ?? 0) << 4);
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

/** The canonical points whose order divides 8, on the curve and on its twist (RFC 7748 §5, §7). */
const SMALL_ORDER: ReadonlySet<string> = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]);

/** Whether multiplying a canonical key by the cofactor gives zero, whatever the scalar. */
function isSmallOrder(key: Uint8Array): boolean {
  return SMALL_ORDER.has(toHex(key));
}
