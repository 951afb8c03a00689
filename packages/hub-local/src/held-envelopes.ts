/**
 * Envelopes that were stored a moment ago and wait in memory while their queue is read. Owns those
 * of one connection and the limit over all of a hub; an envelope that exceeds it is read from the
 * store when its turn comes.
 */

/** What an envelope takes in addition to its blob, roughly: many small ones are limited too. */
const ENVELOPE_BYTES = 512;
/** Contents leave this part to numbers, which a fair order cannot do without. */
const CONTENT_PART = 0.75;

/** Bytes that all connections of a hub may hold, and one of them. */
export class HeldBytes {
  readonly #all: number;
  readonly #ofOne: number;
  #free: number;

  constructor(limits: { readonly heldBytes: number; readonly heldBytesOfOne: number }) {
    this.#all = limits.heldBytes;
    this.#free = limits.heldBytes;
    this.#ofOne = limits.heldBytesOfOne;
  }

  /** Whether a connection that holds `held` may hold so many more, of this part of the limits. */
  take(bytes: number, held: number, part: number): boolean {
    const isOver = this.#all - this.#free + bytes > part * this.#all;
    if (isOver || held + bytes > part * this.#ofOne) return false;
    this.#free -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#free += bytes;
  }
}

/** What one connection holds of them. */
export class HeldShare {
  readonly #all: HeldBytes;
  #bytes = 0;

  constructor(all: HeldBytes) {
    this.#all = all;
  }

  /** False if there is no room. */
  take(bytes: number, part = 1): boolean {
    if (!this.#all.take(bytes, this.#bytes, part)) return false;
    this.#bytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
    this.#all.give(bytes);
  }

  takeContent(envelope: { readonly blob: Uint8Array }): boolean {
    return this.take(sizeOf(envelope), CONTENT_PART);
  }

  giveContent(envelope: { readonly blob: Uint8Array }): void {
    this.give(sizeOf(envelope));
  }

  /** The connection has ended. */
  end(): void {
    this.give(this.#bytes);
  }
}

/** Envelopes that cannot be given their turns yet, in the order of the queue. */
export class HeldEnvelopes<T extends { readonly seq: number; readonly blob: Uint8Array }> {
  readonly #share: HeldShare;
  #waiting: T[] = [];

  constructor(share: HeldShare) {
    this.#share = share;
  }

  get first(): T | undefined {
    return this.#waiting[0];
  }

  get lastSeq(): number | undefined {
    return this.#waiting.at(-1)?.seq;
  }

  /** False if there is no room: then it is not held. */
  add(envelope: T): boolean {
    if (!this.#share.takeContent(envelope)) return false;
    this.#waiting.push(envelope);
    return true;
  }

  takeFirst(): T | undefined {
    const first = this.#waiting.shift();
    if (first !== undefined) this.#share.giveContent(first);
    return first;
  }

  clear(): void {
    for (const envelope of this.#waiting) this.#share.giveContent(envelope);
    this.#waiting = [];
  }
}

function sizeOf({ blob }: { readonly blob: Uint8Array }): number {
  return ENVELOPE_BYTES + blob.length;
}
