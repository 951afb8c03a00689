/**
 * base64url without padding, from bytes to bytes: for secrets, since a text stays in memory for as
 * long as the runtime likes. Owns the one canonical form (protocol.md §2.16).
 */
import { textBytes } from './bytes.js';

const ALPHABET = textBytes('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_');
const NONE = 255;
const VALUES = new Uint8Array(256).fill(NONE);
for (const [value, character] of ALPHABET.entries()) VALUES[character] = value;

/** The characters of these bytes, in ASCII. */
export function toBase64UrlBytes(bytes: Uint8Array): Uint8Array {
  const text = new Uint8Array(Math.ceil((bytes.length * 4) / 3));
  for (let at = 0; at < text.length; at++) {
    const from = (at * 6) >> 3;
    const pair = ((bytes[from] ?? 0) << 8) | (bytes[from + 1] ?? 0);
    text[at] = ALPHABET[(pair >> (10 - ((at * 6) & 7))) & 63] ?? 0;
  }
  return text;
}

/** The bytes behind the characters; null for anything but the canonical form. */
export function fromBase64UrlBytes(text: Uint8Array): Uint8Array | null {
  const bytes = new Uint8Array((text.length * 6) >> 3);
  let held = 0;
  let bits = 0;
  let length = 0;
  let isCanonical = text.length % 4 !== 1;
  for (const character of text) {
    const value = VALUES[character] ?? NONE;
    if (value === NONE) isCanonical = false;
    held = ((held << 6) | (value & 63)) & 0xfff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[length++] = (held >> bits) & 255;
  }
  if (isCanonical && (held & ((1 << bits) - 1)) === 0) return bytes;
  bytes.fill(0);
  return null;
}
