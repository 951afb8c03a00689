/**
 * Rates per key: each key has a bucket that holds `burst` tokens and refills steadily.
 * Owns the arithmetic and the forgetting of full buckets; does not own a clock.
 */

interface Bucket {
  tokens: number;
  atMs: number;
}

/** Token buckets with one common rate. */
export class TokenBuckets {
  readonly #perMs: number;
  readonly #burst: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(rate: { readonly perSecond: number; readonly burst: number }) {
    this.#perMs = rate.perSecond / 1000;
    this.#burst = rate.burst;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /**
   * Milliseconds until `amount` may be spent; 0 when it may now. An amount above the burst may be
   * spent from a full bucket, which is then in debt: what is allowed at all is never stuck.
   */
  waitMs(key: string, amount: number, nowMs: number): number {
    const missing = Math.min(amount, this.#burst) - this.#tokens(key, nowMs);
    return missing <= 0 ? 0 : Math.ceil(missing / this.#perMs);
  }

  /** Takes the tokens without asking. */
  spend(key: string, amount: number, nowMs: number): void {
    this.#buckets.set(key, { tokens: this.#tokens(key, nowMs) - amount, atMs: nowMs });
  }

  /** Spends if that is allowed now. */
  take(key: string, amount: number, nowMs: number): boolean {
    if (this.waitMs(key, amount, nowMs) > 0) return false;
    this.spend(key, amount, nowMs);
    return true;
  }

  /** Gives the bucket away: what is missing in it is counted elsewhere from now on. */
  release(key: string, nowMs: number): number {
    const missing = this.#burst - this.#tokens(key, nowMs);
    this.#buckets.delete(key);
    return missing;
  }

  /** Forgets buckets that are full again: what is left is bounded by the rate. */
  forgetFull(nowMs: number): void {
    for (const key of this.#buckets.keys()) {
      if (this.#tokens(key, nowMs) >= this.#burst) this.#buckets.delete(key);
    }
  }

  #tokens(key: string, nowMs: number): number {
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return this.#burst;
    return Math.min(this.#burst, bucket.tokens + (nowMs - bucket.atMs) * this.#perMs);
  }
}
