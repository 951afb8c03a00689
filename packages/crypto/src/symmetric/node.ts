/**
 * Symmetric primitives from `node:crypto`: the implementation on Node's message path.
 * Owns the ways of calling it that are safe and fast; the contract is in `types.ts`.
 *
 * Keys always go through `createSecretKey`: a raw byte key costs three times as much per call.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
} from 'node:crypto';
import { assertInteger, assertLength } from '../bytes.js';
import { AES_KEY_BYTES, GCM_NONCE_BYTES, GCM_TAG_BYTES } from './types.js';
import { HKDF_MAX_INFO, HKDF_MAX_LENGTH } from './types.js';
import type { HkdfInput, OpenInput, SealInput } from './types.js';

const AES = 'aes-256-gcm';
/** Without a fixed tag length Node accepts a tag cut to 4 bytes. */
const TAG = { authTagLength: GCM_TAG_BYTES };

export function hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array {
  const digest = createHmac('sha256', createSecretKey(key)).update(data).digest();
  const mac = new Uint8Array(digest);
  digest.fill(0);
  return mac;
}

export function hkdfSha256({ salt, ikm, info, length }: HkdfInput): Uint8Array {
  assertInteger(length, 1, HKDF_MAX_LENGTH, 'HKDF length');
  assertInteger(info.length, 0, HKDF_MAX_INFO, 'HKDF info length');
  return new Uint8Array(hkdfSync('sha256', createSecretKey(ikm), salt, info, length));
}

export function aes256GcmSeal({ key, nonce, plaintext, associatedData }: SealInput): Uint8Array {
  assertLength(key, AES_KEY_BYTES, 'AES-256 key');
  assertLength(nonce, GCM_NONCE_BYTES, 'GCM nonce');
  const cipher = createCipheriv(AES, createSecretKey(key), nonce, TAG);
  cipher.setAAD(associatedData);
  const sealed = new Uint8Array(plaintext.length + GCM_TAG_BYTES);
  sealed.set(cipher.update(plaintext));
  cipher.final();
  sealed.set(cipher.getAuthTag(), plaintext.length);
  return sealed;
}

export function aes256GcmOpen(input: OpenInput): Uint8Array | null {
  const { key, nonce, ciphertext, associatedData } = input;
  assertLength(key, AES_KEY_BYTES, 'AES-256 key');
  assertLength(nonce, GCM_NONCE_BYTES, 'GCM nonce');
  const tagAt = ciphertext.length - GCM_TAG_BYTES;
  if (tagAt < 0) return null;
  const decipher = createDecipheriv(AES, createSecretKey(key), nonce, TAG);
  decipher.setAAD(associatedData);
  decipher.setAuthTag(ciphertext.subarray(tagAt));
  // update() gives plaintext before the tag is checked: not looked at until final() has passed.
  const unchecked = decipher.update(ciphertext.subarray(0, tagAt));
  try {
    decipher.final();
  } catch {
    // All lengths are checked above, so the only thing left to fail is the tag.
    unchecked.fill(0);
    return null;
  }
  return new Uint8Array(unchecked.buffer, unchecked.byteOffset, unchecked.length);
}
