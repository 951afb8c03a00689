/**
 * What all connections of a hub hold in memory together: frames that have begun and not ended, and
 * answers that nobody reads. Owns the bound and who has to go. Each connection is bounded by itself
 * too, but a thousand of them would still be gigabytes.
 *
 * An honest client finishes a frame and reads its answers at once; whoever fills the memory has to
 * keep its part for long. So the fuller the memory is, the shorter may anybody keep some.
 */

/** Below this share of the bound nobody is hurried. */
const QUIET_SHARE = 0.5;
/** How long a part may be kept at that share; nothing at all when the memory is full. */
const LONGEST_MS = 10_000;
/** Connections with less are counted and never chosen: there is little to gain. */
const SMALL_BYTES = 4 * 1024;

/** One connection. */
export interface Holder {
  /** Since when it has held bytes without any progress, monotonic. */
  readonly heldSinceMs: number;
  /** Gives its bytes back, by ending the connection. */
  destroy(): void;
}

/** One per server. */
export class MemoryBudget {
  readonly #limitBytes: number;
  readonly #monotonic: () => number;
  readonly #held = new Map<Holder, number>();
  #total = 0;

  constructor(limitBytes: number, monotonic: () => number) {
    this.#limitBytes = limitBytes;
    this.#monotonic = monotonic;
  }

  /** Bytes held by all connections. */
  get total(): number {
    return this.#total;
  }

  /** A connection holds so many bytes now; 0 when it is over. */
  update(holder: Holder, bytes: number): void {
    const before = this.#held.get(holder) ?? 0;
    if (bytes === before) return;
    if (bytes === 0) this.#held.delete(holder);
    else this.#held.set(holder, bytes);
    this.#total += bytes - before;
    if (bytes > before) this.enforce();
  }

  /**
   * Ends who has kept its part for too long, the longest first; also to be called as time passes.
   */
  enforce(): void {
    while (this.#total > this.#limitBytes * QUIET_SHARE) {
      const fill = this.#total / this.#limitBytes;
      const allowedMs = LONGEST_MS * Math.max(0, (1 - fill) / (1 - QUIET_SHARE));
      const latest = this.#monotonic() - allowedMs;
      const oldest = this.#oldest();
      if (oldest === null || oldest.heldSinceMs > latest) return;
      this.#forget(oldest);
      oldest.destroy();
    }
  }

  #oldest(): Holder | null {
    let oldest: Holder | null = null;
    for (const [holder, bytes] of this.#held) {
      if (bytes <= SMALL_BYTES) continue;
      if (oldest === null || holder.heldSinceMs < oldest.heldSinceMs) oldest = holder;
    }
    return oldest;
  }

  #forget(holder: Holder): void {
    this.#total -= this.#held.get(holder) ?? 0;
    this.#held.delete(holder);
  }
}
