/**
 * Newline-delimited frames out of a byte stream, however it was cut (hub.md §2). Owns reassembly
 * with bounded memory: one buffer, which grows to the longest frame allowed, whatever pieces come.
 * Fed bytes, gives texts. No socket here.
 */
const NEWLINE = 0x0a;
const FIRST_BYTES = 1_024;

/** Collects one stream; `feed` must be called with every piece in order. */
export class LineSplitter {
  readonly #maxBytes: () => number;
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #held = new Uint8Array(0);
  #heldBytes = 0;

  /** `maxBytes` is asked for each piece: it grows when the hub has proved its key. */
  constructor(maxBytes: () => number) {
    this.#maxBytes = maxBytes;
  }

  /** Memory kept for an unfinished line. */
  get capacity(): number {
    return this.#held.length;
  }

  /**
   * Calls `onLine` for every line that is complete now, without its newline. Null, or why the
   * stream cannot be followed any further.
   */
  feed(bytes: Uint8Array, onLine: (line: string) => void): string | null {
    let rest = bytes;
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      const line = this.#complete(rest.subarray(0, end));
      if (line === null) return 'the hub sent a frame that is not valid text, or over the limit';
      onLine(line);
      rest = rest.subarray(end + 1);
    }
    return this.#hold(rest) ? null : 'the hub sent a frame over the limit';
  }

  #hold(rest: Uint8Array): boolean {
    const length = this.#heldBytes + rest.length;
    if (length > this.#maxBytes()) return false;
    if (length > this.#held.length) {
      const grown = new Uint8Array(Math.max(length, this.#held.length * 2, FIRST_BYTES));
      grown.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = grown;
    }
    this.#held.set(rest, this.#heldBytes);
    this.#heldBytes = length;
    return true;
  }

  #complete(tail: Uint8Array): string | null {
    if (this.#heldBytes === 0) return tail.length > this.#maxBytes() ? null : this.#text(tail);
    if (!this.#hold(tail)) return null;
    const line = this.#text(this.#held.subarray(0, this.#heldBytes));
    this.#held = new Uint8Array(0);
    this.#heldBytes = 0;
    return line;
  }

  #text(line: Uint8Array): string | null {
    try {
      return this.#utf8.decode(line);
    } catch {
      return null;
    }
  }
}
