/**
 * Lines out of a byte stream that comes in pieces of any size (hub.md §2).
 * Owns reassembly with bounded memory: at most twice the limit in force, whatever is sent; does not
 * know what a line means.
 */

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const FIRST_SIZE = 256;
/** Of all connections that hold nothing: they are most. */
const EMPTY: Buffer = Buffer.alloc(0);

/** Text of one line without its end, or null for one that was longer than allowed. */
export type Line = string | null;

/** Fed byte by byte or by the megabyte, it gives the same lines. */
export class LineSplitter {
  readonly #maxLength: () => number;
  #held = EMPTY;
  #length = 0;
  #isFirst = true;
  /** Inside a line that was refused: everything up to its end is passed over. */
  #skipping = false;
  #isStopped = false;

  /** `maxLength` is asked for each line: it grows when a client has authenticated. */
  constructor(maxLength: () => number) {
    this.#maxLength = maxLength;
  }

  /** Bytes kept for an unfinished line. */
  get held(): number {
    return this.#held.length;
  }

  /** Nothing is looked at any more, not even what was fed with the line that is told now. */
  stop(): void {
    this.#isStopped = true;
    this.#drop();
  }

  /**
   * Calls `onLine` for every line that is complete now; the first of all is passed over if it is
   * empty: that is how clients of an older protocol begin. Text is read as Latin-1: frames are
   * ASCII, and other bytes stay visible as characters that no field allows.
   */
  feed(bytes: Buffer, onLine: (line: Line) => void): void {
    let from = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
      if (this.#isStopped) return;
      this.#finish(bytes, from, end, onLine);
      from = end + 1;
    }
    this.#hold(bytes, from, onLine);
  }

  #finish(bytes: Buffer, from: number, end: number, onLine: (line: Line) => void): void {
    if (this.#skipping) {
      this.#skipping = false;
      return;
    }
    if (this.#length + end - from > this.#maxLength()) {
      this.#drop();
      this.#isFirst = false;
      return onLine(null);
    }
    let line: Buffer = bytes;
    let [first, last] = [from, end];
    if (this.#length > 0) {
      this.#append(bytes, from, end);
      line = this.#held;
      [first, last] = [0, this.#length];
    }
    if (last > first && line[last - 1] === CARRIAGE_RETURN) last -= 1;
    const text = line.toString('latin1', first, last);
    this.#drop();
    if (text !== '' || !this.#isFirst) onLine(text);
    this.#isFirst = false;
  }

  #hold(bytes: Buffer, from: number, onLine: (line: Line) => void): void {
    if (this.#isStopped || this.#skipping || from === bytes.length) return;
    if (this.#length + bytes.length - from > this.#maxLength()) {
      this.#drop();
      this.#isFirst = false;
      this.#skipping = true;
      return onLine(null);
    }
    this.#append(bytes, from, bytes.length);
  }

  /** Copies into one growing buffer: a piece of one byte must not keep a whole block alive. */
  #append(bytes: Buffer, from: number, end: number): void {
    const needed = this.#length + end - from;
    if (needed > this.#held.length) {
      const bigger = Buffer.allocUnsafeSlow(
        Math.max(FIRST_SIZE, 2 ** Math.ceil(Math.log2(needed))),
      );
      this.#held.copy(bigger, 0, 0, this.#length);
      this.#held = bigger;
    }
    bytes.copy(this.#held, this.#length, from, end);
    this.#length = needed;
  }

  #drop(): void {
    this.#length = 0;
    this.#held = EMPTY;
  }
}
