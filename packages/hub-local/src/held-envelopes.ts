/**
 * Envelopes that were stored a moment ago and wait in memory for room on their connection, so that
 * they need not be read again. Owns the envelopes of one connection and the limit over all of a
 * hub; an envelope that exceeds it is read from the store when its turn comes.
 */

/** What an envelope takes in addition to its blob, roughly: many small ones are limited too. */
const ENVELOPE_BYTES = 512;

/** Bytes that all connections of a hub may hold, and one of them. */
export class HeldBytes {
  readonly #ofOne: number;
  #free: number;

  constructor(limits: { readonly heldBytes: number; readonly heldBytesOfOne: number }) {
    this.#free = limits.heldBytes;
    this.#ofOne = limits.heldBytesOfOne;
  }

  /** Whether so many more may be held by a connection that holds `held`. */
  take(bytes: number, held: number): boolean {
    if (bytes > this.#free || held + bytes > this.#ofOne) return false;
    this.#free -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#free += bytes;
  }
}

/** The held envelopes of one connection, in the order of the queue. */
export class HeldEnvelopes<T extends { readonly seq: number; readonly blob: Uint8Array }> {
  readonly #shared: HeldBytes;
  #waiting: T[] = [];
  #bytes = 0;

  constructor(shared: HeldBytes) {
    this.#shared = shared;
  }

  get first(): T | undefined {
    return this.#waiting[0];
  }

  get lastSeq(): number | undefined {
    return this.#waiting.at(-1)?.seq;
  }

  /** False if there is no room: then it is not held. */
  add(envelope: T): boolean {
    const bytes = sizeOf(envelope);
    if (!this.#shared.take(bytes, this.#bytes)) return false;
    this.#waiting.push(envelope);
    this.#bytes += bytes;
    return true;
  }

  dropFirst(): void {
    const first = this.#waiting.shift();
    if (first === undefined) return;
    this.#bytes -= sizeOf(first);
    this.#shared.give(sizeOf(first));
  }

  clear(): void {
    this.#shared.give(this.#bytes);
    this.#waiting = [];
    this.#bytes = 0;
  }
}

function sizeOf({ blob }: { readonly blob: Uint8Array }): number {
  return ENVELOPE_BYTES + blob.length;
}
