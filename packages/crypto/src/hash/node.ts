/**
 * SHA-2 from `node:crypto`. Owns nothing but the call; the contract is in `types.ts`.
 * Must not import `symmetric`: hubs may hash, never decrypt.
 */
import { createHash } from 'node:crypto';

function digest(algorithm: 'sha256' | 'sha512', parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash(algorithm);
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  return digest('sha256', parts);
}

export function sha512(...parts: readonly Uint8Array[]): Uint8Array {
  return digest('sha512', parts);
}
