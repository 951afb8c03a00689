/**
 * What the bytes of rows stand for, for as long as those bytes are in memory: a row that was just
 * written need not be decoded when it is read again. Owns the memory only. Rows and what they stand
 * for are values that nobody changes.
 */

/** One kind of row. */
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
