/**
 * Signing by libsodium (WebAssembly): for browsers and other hosts without `node:crypto`.
 * Owns nothing but the call; the contract is in `types.ts`.
 */
import { sodium } from '../sodium.js';
import type { SigningKey } from './types.js';

export function sign(key: SigningKey, message: Uint8Array): Uint8Array {
  return sodium().crypto_sign_detached(message, key.secretKey);
}
