/**
 * Base64url without padding (RFC 4648 §5), in its one canonical form: every byte string has exactly
 * one text, every other text is refused. Owns the codec; does not own lengths of fields.
 *
 * It sits on the path of every message, so it takes the engine's own codec where there is one
 * (Uint8Array.fromBase64) and else works on tables: 1 MiB in 1 to 2 ms.
 */
import { ProtocolError } from './errors.js';

/** Both directions of the codec. */
export interface Base64Url {
  readonly toBase64Url: (bytes: Uint8Array) => string;
  /** Throws BAD_ENCODING for padding, white space, `+`, `/` and non-zero trailing bits. */
  readonly fromBase64Url: (text: string) => Uint8Array;
}

/** The part of the engine's Uint8Array that newer engines have (ECMAScript 2026). */
export interface NativeBase64 {
  fromBase64?: (text: string, options: { alphabet: 'base64url' }) => Uint8Array;
  prototype: {
    toBase64?: (options: { alphabet: 'base64url'; omitPadding: true }) => string;
  };
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const NO_SEXTET = 255;
const CHARACTERS = Uint8Array.from(ALPHABET, (character) => character.charCodeAt(0));
const SEXTETS = new Uint8Array(128).fill(NO_SEXTET);
CHARACTERS.forEach((code, sextet) => (SEXTETS[code] = sextet));

/** Below this many characters building the text is cheaper than calling a TextDecoder. */
const SHORT_TEXT = 128;
const ascii = new TextDecoder();

const characters = (codes: Uint8Array): string =>
  Reflect.apply(String.fromCharCode, null, codes) as string;

function refuse(): never {
  throw new ProtocolError('BAD_ENCODING');
}

/** Bytes that `length` characters encode; one character alone encodes nothing. */
function decodedLength(length: number): number {
  return length % 4 === 1 ? refuse() : Math.floor((length * 3) / 4);
}

/** Bits of the last character that encode nothing: they must be zero. */
function assertNoTrailingBits(text: string): void {
  const rest = text.length % 4;
  if (rest === 0) return;
  const last = SEXTETS[text.charCodeAt(text.length - 1) & 127] ?? NO_SEXTET;
  if ((last & (rest === 2 ? 0b1111 : 0b11)) !== 0) refuse();
}

function encodeByTable(bytes: Uint8Array): string {
  const length = bytes.length;
  const out = new Uint8Array(Math.ceil((length * 4) / 3));
  const whole = length - (length % 3);
  let at = 0;
  for (let i = 0; i < whole; i += 3) {
    const word = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    out[at++] = CHARACTERS[word >>> 18] ?? 0;
    out[at++] = CHARACTERS[(word >>> 12) & 63] ?? 0;
    out[at++] = CHARACTERS[(word >>> 6) & 63] ?? 0;
    out[at++] = CHARACTERS[word & 63] ?? 0;
  }
  if (whole < length) {
    // The missing bytes count as zero; the text is cut to what the rest needs.
    const word = ((bytes[whole] ?? 0) << 16) | ((bytes[whole + 1] ?? 0) << 8);
    for (let shift = 18; at < out.length; shift -= 6) {
      out[at++] = CHARACTERS[(word >>> shift) & 63] ?? 0;
    }
  }
  return out.length < SHORT_TEXT ? characters(out) : ascii.decode(out);
}

function decodeByTable(text: string): Uint8Array {
  const out = new Uint8Array(decodedLength(text.length));
  // Faults are gathered, not branched on: one test after the loop instead of eight in each turn.
  let codes = 0;
  let sextets = 0;
  let at = 0;
  const whole = text.length - (text.length % 4);
  for (let i = 0; i < whole; i += 4) {
    const p = text.charCodeAt(i);
    const q = text.charCodeAt(i + 1);
    const r = text.charCodeAt(i + 2);
    const s = text.charCodeAt(i + 3);
    const a = SEXTETS[p & 127] ?? NO_SEXTET;
    const b = SEXTETS[q & 127] ?? NO_SEXTET;
    const c = SEXTETS[r & 127] ?? NO_SEXTET;
    const d = SEXTETS[s & 127] ?? NO_SEXTET;
    codes |= p | q | r | s;
    sextets |= a | b | c | d;
    out[at++] = (a << 2) | (b >>> 4);
    out[at++] = (b << 4) | (c >>> 2);
    out[at++] = (c << 6) | d;
  }
  let word = 0;
  for (let i = whole; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const sextet = SEXTETS[code & 127] ?? NO_SEXTET;
    codes |= code;
    sextets |= sextet;
    word |= sextet << (18 - 6 * (i - whole));
  }
  for (let shift = 16; at < out.length; shift -= 8) out[at++] = word >>> shift;
  if (codes > 127 || sextets > 63) refuse();
  assertNoTrailingBits(text);
  return out;
}

/** The codec on tables, for any engine. */
export const tableBase64Url: Base64Url = {
  toBase64Url: encodeByTable,
  fromBase64Url: decodeByTable,
};

/** The codec on the engine's own functions; `null` where the engine has none. */
export function nativeBase64Url(engine: NativeBase64): Base64Url | null {
  const encode = engine.prototype.toBase64;
  const decode = engine.fromBase64;
  if (encode === undefined || decode === undefined) return null;
  return {
    toBase64Url: (bytes) => encode.call(bytes, { alphabet: 'base64url', omitPadding: true }),
    fromBase64Url: (text) => {
      const length = decodedLength(text.length);
      let bytes: Uint8Array;
      try {
        bytes = decode.call(engine, text, { alphabet: 'base64url' });
      } catch {
        return refuse();
      }
      // The engine skips white space and takes padding: then fewer bytes come out than expected.
      if (bytes.length !== length) refuse();
      assertNoTrailingBits(text);
      return bytes;
    },
  };
}

const codec = nativeBase64Url(Uint8Array as unknown as NativeBase64) ?? tableBase64Url;

/** Text of bytes: `A-Z a-z 0-9 - _`, no padding. */
export function toBase64Url(bytes: Uint8Array): string {
  return codec.toBase64Url(bytes);
}

/** Bytes of a canonical text; throws BAD_ENCODING for any other. */
export function fromBase64Url(text: string): Uint8Array {
  return codec.fromBase64Url(text);
}
