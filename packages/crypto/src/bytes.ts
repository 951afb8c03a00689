/**
 * Fixed binary layouts: big-endian integers, length prefixes, labels, and a strict reader
 * (protocol.md §2.0). Owns bytes only; knows no structure of the protocol and no cryptography.
 */
import { CryptoError } from './errors.js';
import type { CryptoErrorCode } from './errors.js';

const utf8 = new TextEncoder();
const utf8Strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Joins byte strings. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/**
 * A copy with memory of its own. Everything kept from a caller passes here: `slice` of a Node
 * Buffer is a view, so what was checked could change with the socket's next packet.
 */
export function copyBytes(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return copy;
}

/** Overwrites secrets that are needed no more. What the runtime has copied elsewhere stays. */
export function wipe(...secrets: readonly Uint8Array[]): void {
  for (const secret of secrets) secret.fill(0);
}

/** UTF-8 bytes of a text. */
export function textBytes(text: string): Uint8Array {
  return utf8.encode(text);
}

/** L(s) of protocol.md §2.0: the domain separation label. */
export function label(name: string): Uint8Array {
  return utf8.encode(`AgentMesh/2 ${name}\0`);
}

export function u8(value: number): Uint8Array {
  return Uint8Array.of(value);
}

export function u16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value);
}

export function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** u64 of a safe integer (at most 2^53 - 1). */
export function u64(value: number): Uint8Array {
  return concatBytes(u32(Math.floor(value / 0x1_0000_0000)), u32(value >>> 0));
}

/** One length byte and the bytes. */
export function lp8(bytes: Uint8Array): Uint8Array {
  return concatBytes(u8(bytes.length), bytes);
}

/** lp32(x): four length bytes, then the bytes. */
export function lp32(bytes: Uint8Array): Uint8Array {
  return concatBytes(u32(bytes.length), bytes);
}

/** Whether two byte strings are equal, in time that depends on their lengths only. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

/** Bytewise order of public values (not constant time): negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

export function isZero(bytes: Uint8Array): boolean {
  let any = 0;
  for (const byte of bytes) any |= byte;
  return any === 0;
}

const HEX_DIGITS = utf8.encode('0123456789abcdef');
/** Bytes that become one text at a time: a call takes only so many arguments. */
const HEX_PIECE = 1_024;

/** Node's own way is six times as fast. */
const nodeBuffer = 'Buffer' in globalThis ? globalThis.Buffer : null;

/** Lower case. Joined, not added up: a text made of many additions is kept in as many pieces. */
export function toHex(bytes: Uint8Array): string {
  if (nodeBuffer !== null) {
    return nodeBuffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
  }
  return hexOf(bytes);
}

/** The same where there is no Buffer. */
export function hexOf(bytes: Uint8Array): string {
  if (bytes.length <= HEX_PIECE) return hexPiece(bytes);
  const count = Math.ceil(bytes.length / HEX_PIECE);
  const piece = (_: unknown, at: number): string =>
    hexPiece(bytes.subarray(at * HEX_PIECE, (at + 1) * HEX_PIECE));
  return Array.from({ length: count }, piece).join('');
}

function hexPiece(bytes: Uint8Array): string {
  const codes: number[] = [];
  for (const byte of bytes) {
    codes.push(HEX_DIGITS[byte >>> 4] ?? 0, HEX_DIGITS[byte & 0x0f] ?? 0);
  }
  return String.fromCharCode(...codes);
}

/** Bytes of lower-case hex; anything else is INVALID_ARGUMENT. */
export function fromHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) {
    throw new CryptoError('INVALID_ARGUMENT', 'lower-case hex expected');
  }
  return Uint8Array.from({ length: text.length / 2 }, (_, i) =>
    Number.parseInt(text.slice(2 * i, 2 * i + 2), 16),
  );
}

/** Refuses a value that is not exactly `length` bytes; names the field, never its value. */
export function assertLength(bytes: Uint8Array, length: number, field: string): void {
  if (!(bytes instanceof Uint8Array) || bytes.length !== length) {
    throw new CryptoError('INVALID_ARGUMENT', `${field} must be ${length} bytes`);
  }
}

/** Refuses a number that is not an integer from `min` to `max`. */
export function assertInteger(value: number, min: number, max: number, field: string): void {
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    throw new CryptoError('INVALID_ARGUMENT', `${field} must be an integer from ${min} to ${max}`);
  }
}

/** Refuses what is not a time: a comparison with NaN would let every expiry pass. */
export function assertTime(nowMs: number): void {
  assertInteger(nowMs, 0, Number.MAX_SAFE_INTEGER, 'nowMs');
}

/**
 * Reads a fixed layout front to back. Every shortage, every excess and every integer that does not
 * fit throws {@link CryptoError} with the code given at construction. Parts are copies.
 */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #code: CryptoErrorCode;
  #at = 0;

  constructor(bytes: Uint8Array, code: CryptoErrorCode) {
    if (!(bytes instanceof Uint8Array)) throw new CryptoError(code);
    // A plain view: the `slice` of a subclass (Node's Buffer) need not copy.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#code = code;
  }

  get position(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  fail(): never {
    throw new CryptoError(this.#code);
  }

  take(length: number): Uint8Array {
    if (length > this.remaining) this.fail();
    this.#at += length;
    return this.#bytes.slice(this.#at - length, this.#at);
  }

  /** The rest as a view of the input: for large parts that are not kept. */
  takeRest(): Uint8Array {
    const from = this.#at;
    this.#at = this.#bytes.length;
    return this.#bytes.subarray(from);
  }

  u8(): number {
    const value = this.#bytes[this.#at] ?? this.fail();
    this.#at += 1;
    return value;
  }

  u16(): number {
    return this.u8() * 0x100 + this.u8();
  }

  u32(): number {
    return this.u16() * 0x1_0000 + this.u16();
  }

  u64(): number {
    const value = this.u32() * 0x1_0000_0000 + this.u32();
    if (!Number.isSafeInteger(value)) this.fail();
    return value;
  }

  lp8(): Uint8Array {
    return this.take(this.u8());
  }

  lp32(): Uint8Array {
    return this.take(this.u32());
  }

  /** Strict UTF-8 of a length-prefixed text. */
  text8(): string {
    const bytes = this.lp8();
    try {
      return utf8Strict.decode(bytes);
    } catch {
      return this.fail();
    }
  }

  /** Exactly these bytes must come next. */
  expect(bytes: Uint8Array): void {
    if (compareBytes(this.take(bytes.length), bytes) !== 0) this.fail();
  }

  /** Nothing may follow. */
  end(): void {
    if (this.remaining !== 0) this.fail();
  }
}
