/**
 * The clock that both ends of a request share: the hub's. Owns the difference to ours, as it was
 * seen last; deadlines travel by it, so that two wrong clocks do not make a third time.
 */

/** How far the hub's clock is from ours. */
export class HubClock {
  #aheadMs = 0;

  /** Milliseconds to add to our time for the hub's; 0 until a hub has told its time. */
  get aheadMs(): number {
    return this.#aheadMs;
  }

  /** A hub has told its time, just now. */
  heard(hubMs: number, ourMs: number): void {
    this.#aheadMs = hubMs - ourMs;
  }
}
