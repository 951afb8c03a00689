/**
 * The clock that both ends of a request share: the hub's. Owns what the hub has said of it, and how
 * its time and ours are turned into each other; deadlines travel by it, so that two wrong clocks do
 * not make a third time (protocol.md §2.19).
 */
import { AgentMeshError, LIMITS } from '@agentmesh/crypto';
import { ProtocolError } from '@agentmesh/protocol';
import type { Clock } from '@agentmesh/protocol';
import { AgentError } from './errors.js';

/** What a hub refuses of ours when our clock is slow. */
const WHEN_SLOW: ReadonlySet<string> = new Set(['BAD_RECORD', 'BAD_PREKEY']);
/** What we refuse of others when our clock is fast. */
const WHEN_FAST: ReadonlySet<string> = new Set(['EXPIRED', 'INVITE_EXPIRED']);

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

  /** A judgement by our clock; its refusal is CLOCK where our clock explains it. */
  judge<T>(judgement: () => T): T {
    try {
      return judgement();
    } catch (error) {
      throw this.blamed(error);
    }
  }

  /** CLOCK instead of a refusal that comes from a clock which is not the hub's; else itself. */
  blamed(error: unknown): unknown {
    const aheadMs = this.#aheadMs();
    const isFarOff = Math.abs(aheadMs) > LIMITS.clockToleranceMs;
    if (!isFarOff || !(error instanceof AgentMeshError)) return error;
    const isRefusal = aheadMs > 0 === error instanceof ProtocolError;
    if (!isRefusal || !(aheadMs > 0 ? WHEN_SLOW : WHEN_FAST).has(error.code)) return error;
    const ourMs = this.#now();
    const both = `here it is ${timeText(ourMs)}, at the hub ${timeText(this.toHub(ourMs))}`;
    return new AgentError('CLOCK', both, error);
  }

  /** Until a hub has said something, ours is as good as any. */
  #aheadMs(): number {
    if (this.#told === null) return 0;
    const { hubMs, steadyMs } = this.#told;
    return hubMs + (this.#steady() - steadyMs) - this.#now();
  }
}

/** A time as people read it; milliseconds where no calendar reaches. */
function timeText(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString();
}
