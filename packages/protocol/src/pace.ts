/**
 * How fast requests may leave (hub.md §2): the hub says its rates in `hello`, and a client that
 * keeps to them is never refused for them. Owns the arithmetic over all connections of one agent;
 * which request waits is `request-queue`'s.
 */
import type { HubLimits } from './hub-frames.js';

/** What a request takes of the agent's rates. */
export type RequestCost =
  | { readonly kind: 'send'; readonly bytes: number }
  | { readonly kind: 'request'; readonly tokens: number };

/**
 * What is kept of a burst: a hub that hears the burst late has a full bucket until then, and has
 * refilled less than we think.
 */
const MARGIN = { seconds: 0.5, share: 0.1 } as const;

/** One rate: holds nearly `burst` tokens and refills steadily. */
class Bucket {
  #perMs: number;
  #burst: number;
  #tokens: number;
  #atMs: number;

  constructor(perSecond: number, burst: number, nowMs: number) {
    this.#perMs = perSecond / 1000;
    this.#burst = nearly(burst, perSecond);
    this.#tokens = this.#burst;
    this.#atMs = nowMs;
  }

  /** Another connection may have other rates; what was spent stays spent. */
  change(perSecond: number, burst: number, nowMs: number): void {
    const missing = this.#burst - this.#now(nowMs);
    this.#perMs = perSecond / 1000;
    this.#burst = nearly(burst, perSecond);
    this.#tokens = this.#burst - missing;
    this.#atMs = nowMs;
  }

  /** As the hub counts: more than the burst may be spent from a full bucket, and leaves a debt. */
  waitMs(amount: number, nowMs: number): number {
    const missing = Math.min(amount, this.#burst) - this.#now(nowMs);
    return missing <= 0 ? 0 : Math.ceil(missing / this.#perMs);
  }

  spend(amount: number, nowMs: number): void {
    this.#tokens = this.#now(nowMs) - amount;
    this.#atMs = nowMs;
  }

  /** The hub counts less than we do: nothing is left until then. */
  emptyFor(waitMs: number, nowMs: number): void {
    this.#tokens = Math.min(this.#now(nowMs), 1 - waitMs * this.#perMs);
    this.#atMs = nowMs;
  }

  #now(nowMs: number): number {
    return Math.min(this.#burst, this.#tokens + Math.max(0, nowMs - this.#atMs) * this.#perMs);
  }
}

function nearly(burst: number, perSecond: number): number {
  return Math.max(1, burst - Math.min(perSecond * MARGIN.seconds, burst * MARGIN.share));
}

interface Buckets {
  readonly sends: Bucket;
  readonly bytes: Bucket;
  readonly requests: Bucket;
}

/** The rates of one agent at its hub; one object outlives its connections. */
export class Pace {
  #buckets: Buckets | null = null;

  /** What the hub says in `hello`. */
  adopt(limits: HubLimits, nowMs: number): void {
    const { perSecond, burst, bytesPerSecond, requestsPerSecond, requestBurst } = limits;
    const { sends, bytes, requests } = this.#buckets ?? {};
    sends?.change(perSecond, burst, nowMs);
    requests?.change(requestsPerSecond, requestBurst, nowMs);
    bytes?.change(bytesPerSecond, bytesPerSecond, nowMs);
    this.#buckets ??= {
      sends: new Bucket(perSecond, burst, nowMs),
      requests: new Bucket(requestsPerSecond, requestBurst, nowMs),
      bytes: new Bucket(bytesPerSecond, bytesPerSecond, nowMs),
    };
  }

  /** Milliseconds until this request may leave; 0 if it may now. */
  waitMs(cost: RequestCost, nowMs: number): number {
    if (this.#buckets === null) return 0;
    const { sends, bytes, requests } = this.#buckets;
    if (cost.kind === 'request') return requests.waitMs(cost.tokens, nowMs);
    return Math.max(sends.waitMs(1, nowMs), bytes.waitMs(cost.bytes, nowMs));
  }

  spend(cost: RequestCost, nowMs: number): void {
    if (this.#buckets === null) return;
    const { sends, bytes, requests } = this.#buckets;
    if (cost.kind === 'request') return requests.spend(cost.tokens, nowMs);
    sends.spend(1, nowMs);
    bytes.spend(cost.bytes, nowMs);
  }

  /** The hub refused one with RATE_LIMITED: it has counted what we do not know of. */
  refused({ kind }: RequestCost, waitMs: number, nowMs: number): void {
    this.#buckets?.[kind === 'send' ? 'sends' : 'requests'].emptyFor(waitMs, nowMs);
  }
}
