/**
 * Newline-delimited frames out of a byte stream, however it was cut (hub.md §2). Owns reassembly
 * with bounded memory; fed bytes, gives texts. No socket here.
 */
const NEWLINE = 0x0a;

/** What came out of one piece of the stream. */
export type Split =
  | { readonly ok: true; readonly lines: readonly string[] }
  /** The stream cannot be followed any further. */
  | { readonly ok: false; readonly what: string };

/** Collects one stream; `feed` must be called with every piece in order. */
export class LineSplitter {
  readonly #maxBytes: number;
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #held: Uint8Array[] = [];
  #heldBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Complete lines of what has come so far, without their newlines. */
  feed(bytes: Uint8Array): Split {
    const lines: string[] = [];
    let rest = bytes;
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      const line = this.#complete(rest.subarray(0, end));
      if (line === null) return { ok: false, what: 'the hub sent a frame that is not valid text' };
      lines.push(line);
      rest = rest.subarray(end + 1);
    }
    if (!this.#hold(rest)) return { ok: false, what: 'the hub sent a frame over the limit' };
    return { ok: true, lines };
  }

  #hold(rest: Uint8Array): boolean {
    if (rest.length === 0) return true;
    this.#heldBytes += rest.length;
    if (this.#heldBytes > this.#maxBytes) return false;
    this.#held.push(rest.slice());
    return true;
  }

  #complete(tail: Uint8Array): string | null {
    if (this.#heldBytes + tail.length > this.#maxBytes) return null;
    const line = this.#held.length === 0 ? tail : this.#join(tail);
    this.#held = [];
    this.#heldBytes = 0;
    try {
      return this.#utf8.decode(line);
    } catch {
      return null;
    }
  }

  #join(tail: Uint8Array): Uint8Array {
    const line = new Uint8Array(this.#heldBytes + tail.length);
    let at = 0;
    for (const part of [...this.#held, tail]) {
      line.set(part, at);
      at += part.length;
    }
    return line;
  }
}
