/**
 * Secret bytes that cannot be printed by accident: neither `util.inspect`, `JSON.stringify` nor a
 * template string shows them. Owns the wrapping, and that copies of them are overwritten; does not
 * promise that JavaScript forgets them (it cannot).
 */
import { copyBytes, wipe } from './bytes.js';

/** A secret of one kind. The kind keeps a root key from being used as a chain key. */
export class Secret<Kind extends string> {
  readonly kind: Kind;
  readonly #bytes: Uint8Array;

  constructor(kind: Kind, bytes: Uint8Array) {
    this.kind = kind;
    this.#bytes = copyBytes(bytes);
  }

  /** Takes over bytes that nobody else needs: those given are overwritten. */
  static taking<Kind extends string>(kind: Kind, bytes: Uint8Array): Secret<Kind> {
    const secret = new Secret(kind, bytes);
    wipe(bytes);
    return secret;
  }

  /** What a task makes of a copy, which is overwritten when the task returns. */
  use<Result>(task: (bytes: Uint8Array) => Result): Result {
    const bytes = this.reveal();
    try {
      return task(bytes);
    } finally {
      wipe(bytes);
    }
  }

  /** A copy of the bytes, which the caller wipes: {@link use} does that by itself. */
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
