/**
 * Secret bytes that cannot be printed by accident: neither `util.inspect`, `JSON.stringify` nor a
 * template string shows them. Owns the wrapping only; does not promise that JavaScript forgets
 * them (it cannot).
 */
import { copyBytes } from './bytes.js';

/** A secret of one kind. The kind keeps a root key from being used as a chain key. */
export class Secret<Kind extends string> {
  readonly kind: Kind;
  readonly #bytes: Uint8Array;

  constructor(kind: Kind, bytes: Uint8Array) {
    this.kind = kind;
    this.#bytes = copyBytes(bytes);
  }

  /** A copy of the bytes, so that no state changes with it: use at once, never store or log. */
  reveal(): Uint8Array {
    return copyBytes(this.#bytes);
  }

  toString(): string {
    return `[secret ${this.kind}]`;
  }

  toJSON(): string {
    return this.toString();
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}
