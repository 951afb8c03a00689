/**
 * The fields that frames are made of, as schemas: binary values, numbers, names and codes.
 * Owns their ranges; which frame has which field is in `client-frames` and `hub-frames`.
 *
 * A binary field is base64url text on the wire and a Uint8Array in TypeScript; the schema converts
 * both ways. Lengths are judged on the text, before anything is decoded.
 */
import { fromBase64Url, toBase64Url } from './base64url.js';
import type { ErrorCode } from './errors.js';
import { PROTOCOL_LIMITS } from './limits.js';
import { isRegistrableName, parsePeer } from './peer.js';
import { array, codec, custom, int, Refusal, string } from './schema.js';

const MAX_U32 = 0xffff_ffff;

interface ByteRange {
  readonly min: number;
  readonly max: number;
  /** Code for more than `max` bytes. */
  readonly tooLong: ErrorCode;
}

/** Characters of base64url text for so many bytes. */
function textLength(bytes: number): number {
  return Math.ceil((bytes * 4) / 3);
}

/** Bytes of a field's text, or the code of its fault. */
function decodeBytes(text: string, { min, max, tooLong }: ByteRange): Uint8Array | Refusal {
  if (text.length > textLength(max)) return new Refusal(tooLong);
  if (text.length < textLength(min)) return new Refusal('BAD_FRAME');
  try {
    return fromBase64Url(text);
  } catch {
    return new Refusal('BAD_ENCODING');
  }
}

function encodeBytes(bytes: unknown, { min, max, tooLong }: ByteRange): string | Refusal {
  if (!(bytes instanceof Uint8Array) || bytes.length < min) return new Refusal('BAD_FRAME');
  return bytes.length > max ? new Refusal(tooLong) : toBase64Url(bytes);
}

function bytesIn(range: ByteRange) {
  return codec<Uint8Array>(
    (text) => decodeBytes(text, range),
    (bytes) => encodeBytes(bytes, range),
  );
}

/** Exactly so many bytes. */
function bytesOf(length: number) {
  return bytesIn({ min: length, max: length, tooLong: 'BAD_FRAME' });
}

/** An opaque end-to-end message. */
export const blob = bytesIn({ min: 1, max: PROTOCOL_LIMITS.blobBytes, tooLong: 'TOO_LARGE' });

/** A signed identity record; its layout is judged by `publication`. */
export const identityRecord = bytesIn({
  min: 1,
  max: PROTOCOL_LIMITS.identityRecordBytes,
  tooLong: 'BAD_FRAME',
});

/** A signed or one-time prekey record. */
export const prekeyRecord = bytesOf(1337);

/** A revocation (protocol.md §2.13). */
export const revocationRecord = bytesOf(110);

/** aid of an agent, a hub key, a nonce or a digest. */
export const bytes32 = bytesOf(32);
/** An instance or envelope id. */
export const bytes16 = bytesOf(16);
/** An Ed25519 signature. */
export const signature = bytesOf(64);

/** Integer from 0, or `min`, to `max`. */
export function integer(max: number, min = 0) {
  return int(min, max);
}

export const u32 = integer(MAX_U32);
/** Milliseconds since the epoch. */
export const timeMs = integer(Number.MAX_SAFE_INTEGER);
/** Position in a recipient's queue. */
export const seq = integer(Number.MAX_SAFE_INTEGER, 1);

/** Names of what a side can do beyond its version. */
export const features = array(string({ form: /^[a-z0-9][a-z0-9-]{0,31}$/ }), { max: 32 });

/** A name that an agent may claim. */
export const agentName = custom<string>(isRegistrableName);

/** A name or an address. */
export const peer = custom<string>((text) => typeof text === 'string' && parsePeer(text) !== null);

/** Beginning of names; empty for all. */
export const namePrefix = string({ form: /^[a-z0-9._-]{0,64}$/ });

/** Where a listing goes on: opaque to clients, made by the hub. */
export const cursor = string({ form: /^[\w.-]{1,128}$/ });

/** Registration token as an operator hands it out. */
export const token = string({ form: /^[\x21-\x7e]+$/, max: PROTOCOL_LIMITS.tokenLength });

/** Stable code of an error or a reason. Newer hubs may use codes that this version has not. */
export const code = string({ form: /^[A-Z][A-Z0-9_]{0,63}$/ });

/** One line of printable ASCII: safe in any log. */
export const line = string({ form: /^[\x20-\x7e]*$/, max: PROTOCOL_LIMITS.errorMessageLength });
