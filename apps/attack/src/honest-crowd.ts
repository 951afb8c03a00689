/**
 * Many honest agents beside an attack, as the hub sees them: each writes now and then to one other.
 * Owns their load, which does not wait for the hub, so that a stall is counted in every envelope
 * that it delays.
 */
import { Courier } from './wire/courier.js';
import type { Target } from './target.js';

/** Envelopes of all together. */
const PER_SECOND = 200;
const BYTES = 256;
/** Envelopes that do not come for so long count as lost. */
const PATIENCE_MS = 20_000;

/** What a crowd has exchanged. */
export interface Delays {
  readonly sent: number;
  /** Milliseconds from sending to delivery, ascending. */
  readonly ms: readonly number[];
}

/** Running pairs. */
export class HonestCrowd {
  readonly #pairs: readonly { readonly from: Courier; readonly to: Courier }[];

  private constructor(pairs: readonly { from: Courier; to: Courier }[]) {
    this.#pairs = pairs;
  }

  static async at(target: Target, count: number, nameOf: () => string): Promise<HonestCrowd> {
    const pairs: { from: Courier; to: Courier }[] = [];
    for (let n = 0; n < count; n++) {
      pairs.push(await Courier.pair(target, [nameOf(), nameOf()]));
    }
    return new HonestCrowd(pairs);
  }

  /** Exchanges envelopes for so long. */
  exchange(durationMs: number): Promise<Delays> {
    const count = Math.ceil((durationMs * PER_SECOND) / 1_000);
    const ms: number[] = [];
    let sent = 0;
    const { promise, resolve } = Promise.withResolvers<Delays>();
    const end = (): void => {
      clearInterval(pacing);
      clearTimeout(patience);
      resolve({ sent, ms: ms.toSorted((a, b) => a - b) });
    };
    const beganMs = performance.now();
    for (const { to } of this.#pairs) {
      to.onDelivery = (blob) => {
        ms.push(performance.now() - blob.readDoubleBE(0));
        if (ms.length === count) end();
      };
    }
    const pacing = setInterval(() => {
      const due = Math.min(count, ((performance.now() - beganMs) * PER_SECOND) / 1_000);
      for (; sent < due; sent++) {
        const blob = Buffer.alloc(BYTES);
        blob.writeDoubleBE(performance.now());
        const pair = this.#pairs[sent % this.#pairs.length];
        pair?.from.send(pair.to.aid, blob);
      }
    }, 1);
    const patience = setTimeout(end, durationMs + PATIENCE_MS);
    return promise;
  }

  end(): void {
    for (const { from, to } of this.#pairs) {
      from.end();
      to.end();
    }
  }
}
