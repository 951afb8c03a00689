/**
 * How many new sessions are computed (protocol.md §2.8 step 4): 5 a minute of one identity, 20 a
 * second of all. Owns the counting; what happens beyond the budget is `receive`'s.
 */
import { toHex } from '@agentmesh/crypto';
import { AGENT_LIMITS } from '../ground/limits.js';

const MINUTE_MS = 60_000;
const SECOND_MS = 1_000;

/** Times of the latest handshakes; forgets what is older than a minute. */
export class HandshakeBudget {
  readonly #ofIdentity = new Map<string, number[]>();
  #ofAll: number[] = [];
  #sweptMs = 0;

  /** Spends one handshake, or says no and changes nothing. */
  take(aid: Uint8Array, nowMs: number): boolean {
    this.#sweep(nowMs);
    const key = toHex(aid);
    const own = (this.#ofIdentity.get(key) ?? []).filter((at) => isWithin(at, nowMs, MINUTE_MS));
    const all = this.#ofAll.filter((at) => isWithin(at, nowMs, SECOND_MS));
    const spent =
      own.length >= AGENT_LIMITS.handshakesPerMinute ||
      all.length >= AGENT_LIMITS.handshakesPerSecond;
    if (spent) return false;
    this.#ofIdentity.set(key, [...own, nowMs]);
    this.#ofAll = [...all, nowMs];
    return true;
  }

  #sweep(nowMs: number): void {
    if (isWithin(this.#sweptMs, nowMs, MINUTE_MS)) return;
    this.#sweptMs = nowMs;
    for (const [key, times] of this.#ofIdentity) {
      if (!times.some((at) => isWithin(at, nowMs, MINUTE_MS))) this.#ofIdentity.delete(key);
    }
  }
}

/** A clock that was set back makes earlier times count as long ago, never as a lasting block. */
function isWithin(atMs: number, nowMs: number, spanMs: number): boolean {
  return atMs <= nowMs && nowMs - atMs < spanMs;
}
