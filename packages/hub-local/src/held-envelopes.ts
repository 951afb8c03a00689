/**
 * Envelopes that were stored a moment ago and wait in memory for room on their connection, so that
 * they need not be read again. Owns one connection's line of them and the bound over all of a hub;
 * who does not fit into it is read from the store when its turn comes.
 */

/** What an envelope takes beside its blob, roughly: many small ones are bounded too. */
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

/** One connection's line, in the order of the queue. */
export class HeldEnvelopes<T extends { readonly seq: number; readonly blob: Uint8Array }> {
  readonly #shared: HeldBytes;
  #line: T[] = [];
  #bytes = 0;

  constructor(shared: HeldBytes) {
    this.#shared = shared;
  }

  get first(): T | undefined {
    return this.#line[0];
  }

  get lastSeq(): number | undefined {
    return this.#line.at(-1)?.seq;
  }

  /** False if there is no place: then it is not held. */
  add(envelope: T): boolean {
    const bytes = sizeOf(envelope);
    if (!this.#shared.take(bytes, this.#bytes)) return false;
    this.#line.push(envelope);
    this.#bytes += bytes;
    return true;
  }

  dropFirst(): void {
    const first = this.#line.shift();
    if (first === undefined) return;
    this.#bytes -= sizeOf(first);
    this.#shared.give(sizeOf(first));
  }

  clear(): void {
    this.#shared.give(this.#bytes);
    this.#line = [];
    this.#bytes = 0;
  }
}

function sizeOf({ blob }: { readonly blob: Uint8Array }): number {
  return ENVELOPE_BYTES + blob.length;
}
