/**
 * The clock that both ends of a request share: the hub's. Owns what the hub has said of it, and how
 * its time and ours are turned into each other; deadlines travel by it, so that two wrong clocks do
 * not make a third time (protocol.md §2.19).
 */
import type { Clock } from '@agentmesh/protocol';

/** What a hub has said, and when that was by a clock that nobody sets. */
interface Told {
  readonly hubMs: number;
  readonly steadyMs: number;
}

/** The hub's clock as an agent knows it. */
export class HubClock {
  readonly #now: Clock;
  readonly #steady: Clock;
  #told: Told | null = null;

  /** `now` is our clock, which may be wrong or be set; `steady` measures what passes. */
  constructor(now: Clock, steady: Clock) {
    this.#now = now;
    this.#steady = steady;
  }

  /** A hub has told its time, just now. */
  heard(hubMs: number): void {
    this.#told = { hubMs, steadyMs: this.#steady() };
  }

  /** A time by our clock as the hub would say it: always one that a message can carry. */
  toHub(ourMs: number): number {
    const hubMs = Math.round(ourMs + this.#aheadMs());
    return Math.min(Math.max(hubMs, 0), Number.MAX_SAFE_INTEGER);
  }

  /** A time of the hub by our clock. */
  toOurs(hubMs: number): number {
    return Math.round(hubMs - this.#aheadMs());
  }

  /** Until a hub has said something, ours is as good as any. */
  #aheadMs(): number {
    if (this.#told === null) return 0;
    const { hubMs, steadyMs } = this.#told;
    return hubMs + (this.#steady() - steadyMs) - this.#now();
  }
}
