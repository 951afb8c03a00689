/**
 * SHA-2 from noble, in JavaScript alone: for browsers and other hosts without `node:crypto`.
 * Must not import `symmetric`: hubs may hash, never decrypt.
 */
import { sha256 as nobleSha256, sha512 as nobleSha512 } from '@noble/hashes/sha2.js';

function digest(
  hash: { update(part: Uint8Array): unknown; digest(): Uint8Array },
  parts: readonly Uint8Array[],
): Uint8Array {
  for (const part of parts) hash.update(part);
  return hash.digest();
}

export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  return digest(nobleSha256.create(), parts);
}

export function sha512(...parts: readonly Uint8Array[]): Uint8Array {
  return digest(nobleSha512.create(), parts);
}
