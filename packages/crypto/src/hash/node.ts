/**
 * SHA-2 from `node:crypto`. Owns nothing but the call; the contract is in `types.ts`.
 * Must not import `symmetric`: hubs may hash, never decrypt.
 */
import { createHash, hash as hashAtOnce } from 'node:crypto';

function digest(algorithm: 'sha256' | 'sha512', parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) {
    return new Uint8Array(hashAtOnce(algorithm, only, 'buffer'));
  }
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
