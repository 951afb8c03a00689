/**
 * Fixed binary layouts of stored rows: big-endian integers and length prefixes. Owns writing,
 * strict reading, and that a row is decoded once while its bytes are in memory; what a row holds is
 * said where the row is defined. A row that reads badly is a damaged store, never bad input.
 */
import { StorageError } from '../ground/errors.js';

const utf8 = new TextEncoder();
const utf8Strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const FIRST_BYTES = 512;
/** Memory of finished rows, for the next ones: their bytes were copied, so nobody else has it. */
const SPARE: Uint8Array<ArrayBuffer>[] = [];
const MOST_SPARE = 4;
const LONGEST_SPARE_BYTES = 64 * 1024;

/** Writes a row front to back. Used once. */
export class RowWriter {
  #bytes = SPARE.pop() ?? new Uint8Array(FIRST_BYTES);
  #length = 0;

  u8(value: number): this {
    const at = this.#grow(1);
    this.#bytes[at] = value;
    return this;
  }

  flag(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  u32(value: number): this {
    const at = this.#grow(4);
    const bytes = this.#bytes;
    bytes[at] = value >>> 24;
    bytes[at + 1] = value >>> 16;
    bytes[at + 2] = value >>> 8;
    bytes[at + 3] = value;
    return this;
  }

  /** A safe integer from 0 on. */
  u64(value: number): this {
    return this.u32(Math.floor(value / 0x1_0000_0000)).u32(value >>> 0);
  }

  /** A safe integer from 0 on, seven bits a byte: for what is small nearly always. */
  varint(value: number): this {
    let left = value;
    for (; left >= 0x80; left = Math.floor(left / 0x80)) this.u8(0x80 | (left % 0x80));
    return this.u8(left);
  }

  /** Bytes whose length the layout fixes. */
  fixed(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** Bytes of the layout's length, or nothing. */
  optional(bytes: Uint8Array | null): this {
    this.flag(bytes !== null);
    return bytes === null ? this : this.fixed(bytes);
  }

  bytes(bytes: Uint8Array): this {
    return this.u32(bytes.length).fixed(bytes);
  }

  text(text: string): this {
    return this.bytes(utf8.encode(text));
  }

  list<T>(items: readonly T[], write: (item: T) => void): this {
    this.u32(items.length);
    for (const item of items) write(item);
    return this;
  }

  finish(): Uint8Array {
    const row = this.#bytes.slice(0, this.#length);
    // Rows hold secrets: none stays behind in the memory of the next one.
    this.#bytes.fill(0, 0, this.#length);
    const isSpare = SPARE.length < MOST_SPARE && this.#bytes.length <= LONGEST_SPARE_BYTES;
    if (isSpare) SPARE.push(this.#bytes);
    this.#bytes = new Uint8Array();
    return row;
  }

  /** Makes room for `count` bytes; returns where they begin. */
  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    return at;
  }
}

/** Reads a row front to back; throws STORE_CORRUPT on any misfit. Slices are copies. */
export class RowReader {
  readonly #bytes: Uint8Array;
  readonly #row: string;
  #at = 0;

  /** `row` says what is read, for the error. */
  constructor(bytes: Uint8Array, row: string) {
    this.#bytes = bytes;
    this.#row = row;
  }

  fail(): never {
    throw new StorageError('STORE_CORRUPT', this.#row);
  }

  fixed(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) this.fail();
    const bytes = this.#bytes.slice(this.#at, end);
    this.#at = end;
    return bytes;
  }

  optional(length: number): Uint8Array | null {
    return this.flag() ? this.fixed(length) : null;
  }

  u8(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) this.fail();
    this.#at += 1;
    return value;
  }

  flag(): boolean {
    const value = this.u8();
    if (value > 1) this.fail();
    return value === 1;
  }

  u32(): number {
    return ((this.u8() << 24) | (this.u8() << 16) | (this.u8() << 8) | this.u8()) >>> 0;
  }

  u64(): number {
    const value = this.u32() * 0x1_0000_0000 + this.u32();
    if (!Number.isSafeInteger(value)) this.fail();
    return value;
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.u8();
      value += (byte % 0x80) * scale;
      if (!Number.isSafeInteger(value)) this.fail();
      if (byte < 0x80) return value;
    }
  }

  bytes(): Uint8Array {
    return this.fixed(this.u32());
  }

  text(): string {
    try {
      return utf8Strict.decode(this.bytes());
    } catch {
      return this.fail();
    }
  }

  list<T>(read: () => T): T[] {
    const length = this.u32();
    // Each item takes a byte at least: a damaged length cannot make a giant array.
    if (length > this.#bytes.length - this.#at) this.fail();
    return Array.from({ length }, read);
  }

  /** Nothing may follow. */
  end(): void {
    if (this.#at !== this.#bytes.length) this.fail();
  }
}

/**
 * What the bytes of one kind of row stand for, for as long as those bytes are in memory. Rows and
 * what they stand for are values that nobody changes.
 */
export class DecodedRows<T> {
  readonly #known = new WeakMap<Uint8Array, T>();

  /** These bytes stand for this; returns them. */
  written(bytes: Uint8Array, value: T): Uint8Array {
    this.#known.set(bytes, value);
    return bytes;
  }

  read(bytes: Uint8Array, decode: (bytes: Uint8Array) => T): T {
    const known = this.#known.get(bytes);
    if (known !== undefined) return known;
    const value = decode(bytes);
    this.#known.set(bytes, value);
    return value;
  }
}
