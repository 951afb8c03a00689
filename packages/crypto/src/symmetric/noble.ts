/**
 * Symmetric primitives from noble, in JavaScript alone: for browsers and other hosts without
 * `node:crypto`. Owns the mapping to the contract in `types.ts`. Slower than `node.ts`, and its AES
 * uses tables, so it cannot promise the same time for every key.
 */
import { gcm } from '@noble/ciphers/aes.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { assertInteger, assertLength } from '../bytes.js';
import { AES_KEY_BYTES, GCM_NONCE_BYTES, GCM_TAG_BYTES } from './types.js';
import { HKDF_MAX_INFO, HKDF_MAX_LENGTH } from './types.js';
import type { HkdfInput, OpenInput, SealInput } from './types.js';

export function hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array {
  return hmac(sha256, key, data);
}

export function hkdfSha256({ salt, ikm, info, length }: HkdfInput): Uint8Array {
  assertInteger(length, 1, HKDF_MAX_LENGTH, 'HKDF length');
  assertInteger(info.length, 0, HKDF_MAX_INFO, 'HKDF info length');
  return hkdf(sha256, ikm, salt, info, length);
}

export function aes256GcmSeal({ key, nonce, plaintext, associatedData }: SealInput): Uint8Array {
  assertLength(key, AES_KEY_BYTES, 'AES-256 key');
  assertLength(nonce, GCM_NONCE_BYTES, 'GCM nonce');
  return gcm(key, nonce, associatedData).encrypt(plaintext);
}

export function aes256GcmOpen(input: OpenInput): Uint8Array | null {
  const { key, nonce, ciphertext, associatedData } = input;
  assertLength(key, AES_KEY_BYTES, 'AES-256 key');
  assertLength(nonce, GCM_NONCE_BYTES, 'GCM nonce');
  if (ciphertext.length < GCM_TAG_BYTES) return null;
  const opener = gcm(key, nonce, associatedData);
  try {
    return opener.decrypt(ciphertext);
  } catch {
    // All lengths are checked above, so the only thing left to fail is the tag.
    return null;
  }
}
