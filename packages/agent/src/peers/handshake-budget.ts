/**
 * How many new sessions are computed (protocol.md §2.8 step 4): a few a minute of one identity, and
 * so many a second of all. Owns the counting, and whose turn comes next beyond it: turns
 * are given out in the order of arrival, and peers that come again pay more, so that no peer keeps
 * newcomers out.
 */
import { toHex } from '@agentmesh/crypto';
import { AGENT_LIMITS } from '../ground/limits.js';

const MINUTE_MS = 60_000;
const SECOND_MS = 1_000;
/** A turn that is not taken for so long is forgotten. */
const TURN_MS = MINUTE_MS;
/** Turns given out at once: a peer beyond them waits and asks again. */
const TURNS = 2_048;

/** Counts handshakes on one clock. */
export class HandshakeBudget {
  /** Times of the last minute, by aid in hex. */
  readonly #ofIdentity = new Map<string, number[]>();
  /** When each has its turn, by aid in hex, in order. */
  readonly #turns = new Map<string, number>();
  /** When all that was given out is spent. */
  #busyUntilMs = 0;
  #sweptMs = 0;

  /** Spends one handshake, or says no and keeps a turn: {@link waitMs} says when it is. */
  take(aid: Uint8Array, nowMs: number): boolean {
    this.#sweep(nowMs);
    const key = toHex(aid);
    const own = (this.#ofIdentity.get(key) ?? []).filter((at) => isWithin(at, nowMs, MINUTE_MS));
    if (own.length >= AGENT_LIMITS.handshakesPerMinute) return false;
    const turnMs = this.#turns.get(key) ?? this.#turnFor(own.length + 1, nowMs);
    if (turnMs > nowMs) {
      if (this.#turns.size < TURNS) this.#turns.set(key, turnMs);
      return false;
    }
    this.#turns.delete(key);
    this.#ofIdentity.set(key, [...own, nowMs]);
    return true;
  }

  /** How long an identity that was refused waits before it is asked for again. */
  waitMs(aid: Uint8Array, nowMs: number): number {
    const key = toHex(aid);
    const turnMs = this.#turns.get(key);
    if (turnMs !== undefined) return Math.max(0, turnMs - nowMs);
    const own = (this.#ofIdentity.get(key) ?? []).filter((at) => isWithin(at, nowMs, MINUTE_MS));
    const [first] = own;
    // Refused for another reason: it may come again soon.
    if (first === undefined || own.length < AGENT_LIMITS.handshakesPerMinute) return SECOND_MS;
    return Math.max(SECOND_MS, first + MINUTE_MS - nowMs);
  }

  /** The next turn: a burst of one second is free. `share`: the how-manieth of one identity. */
  #turnFor(share: number, nowMs: number): number {
    const eachMs = SECOND_MS / AGENT_LIMITS.handshakesPerSecond;
    // A clock that was set back does not block: what was given out then counts as spent.
    const isAhead = this.#busyUntilMs - nowMs > TURNS * eachMs * AGENT_LIMITS.handshakesPerMinute;
    const beganMs = isAhead ? nowMs : Math.max(nowMs, this.#busyUntilMs);
    if (isAhead) this.#turns.clear();
    this.#busyUntilMs = beganMs + share * eachMs;
    return Math.max(0, this.#busyUntilMs - SECOND_MS);
  }

  #sweep(nowMs: number): void {
    if (isWithin(this.#sweptMs, nowMs, SECOND_MS)) return;
    this.#sweptMs = nowMs;
    for (const [key, times] of this.#ofIdentity) {
      if (!times.some((at) => isWithin(at, nowMs, MINUTE_MS))) this.#ofIdentity.delete(key);
    }
    for (const [key, turnMs] of this.#turns) {
      if (nowMs - turnMs > TURN_MS) this.#turns.delete(key);
    }
  }
}

/** A clock that was set back makes earlier times count as long ago, never as a lasting block. */
function isWithin(atMs: number, nowMs: number, spanMs: number): boolean {
  return atMs <= nowMs && nowMs - atMs < spanMs;
}
