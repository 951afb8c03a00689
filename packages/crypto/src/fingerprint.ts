/**
 * What people compare (protocol.md §2.14): fingerprint of one agent, safety number of two.
 * Owns the texts and their comparison; a fingerprint covers both keys through the aid.
 */
import { sha256, sha512 } from '#hash';
import {
  assertLength,
  compareBytes,
  concatBytes,
  equalBytes,
  label,
  textBytes,
  toHex,
} from './bytes.js';

const FINGERPRINT = /^[0-9a-f]{4}(:[0-9a-f]{4}){7}$/;

function groups(bytes: Uint8Array): string {
  return toHex(bytes.subarray(0, 16)).replace(/(.{4})(?=.)/g, '$1:');
}

/** First 16 bytes of the aid as 8 groups of 4 hex digits. */
export function fingerprintOf(aid: Uint8Array): string {
  assertLength(aid, 32, 'aid');
  return groups(aid);
}

/** The value that the Python package printed: it covers the signing key alone. */
export function legacyFingerprintOf(signing: Uint8Array): string {
  assertLength(signing, 32, 'signing key');
  return groups(sha256(signing));
}

/** Whether a text has the exact shape of a fingerprint: lower case, whole. */
export function isFingerprint(text: unknown): text is string {
  return typeof text === 'string' && FINGERPRINT.test(text);
}

/** Whole strings in constant time; a shortened or malformed one never matches. */
export function fingerprintsEqual(a: string, b: string): boolean {
  return isFingerprint(a) && isFingerprint(b) && equalBytes(textBytes(a), textBytes(b));
}

/** Sixty digits for two people to read to each other; the same on both sides. */
export function safetyNumber(aidA: Uint8Array, aidB: Uint8Array): string {
  assertLength(aidA, 32, 'aid');
  assertLength(aidB, 32, 'aid');
  const [low, high] = compareBytes(aidA, aidB) <= 0 ? [aidA, aidB] : [aidB, aidA];
  const digest = sha512(concatBytes(label('safety'), low, high));
  return Array.from({ length: 12 }, (_, word) => {
    const bytes = digest.subarray(word * 5, word * 5 + 5);
    const value = bytes.reduce((sum, byte) => sum * 0x100 + byte, 0);
    return String(value % 100_000).padStart(5, '0');
  }).join(' ');
}
