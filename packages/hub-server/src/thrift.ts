/**
 * When to write a log line about what may happen a thousand times a second: the first of a kind at
 * once, then one line for many. Owns the counting; kinds are few, and never chosen by a peer.
 */

const PAUSE_MS = 10_000;

interface Kind {
  readonly quietUntilMs: number;
  untold: number;
}

/** One for each sort of line. */
export class Thrift {
  readonly #monotonic: () => number;
  readonly #kinds = new Map<string, Kind>();

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
  }

  /** How many of this kind had no line since the last one; null if this one has none either. */
  take(name: string): number | null {
    const nowMs = this.#monotonic();
    const kind = this.#kinds.get(name);
    if (kind !== undefined && nowMs < kind.quietUntilMs) {
      kind.untold += 1;
      return null;
    }
    this.#kinds.set(name, { quietUntilMs: nowMs + PAUSE_MS, untold: 0 });
    return kind?.untold ?? 0;
  }
}
