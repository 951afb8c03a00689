/**
 * The order in which one connection gets what waits for it: senders take turns (`fair-queue`), each
 * with its own envelopes in the order of the queue. Whoever has filled its share of a queue is then
 * before others with a turn only, not with all that it has. Owns which envelopes are known to wait,
 * as numbers, and the contents of those that were stored a moment ago; the rest is in the store.
 */
import { byteKey } from './byte-key.js';
import { FairQueue } from './fair-queue.js';
import type { HeldShare } from './held-envelopes.js';

/** One that is to be delivered, and the length of its blob. */
export interface Planned {
  readonly seq: number;
  readonly bytes: number;
}

/** What is known of an envelope before its content is. */
interface Outlined extends Planned {
  readonly from: Uint8Array;
}

/** What a delivery costs besides its blob, so that many small ones are not free. */
const DELIVERY_COST = 1_024;
/** What one turn allows: one small envelope or two. */
const TURN_COST = 2_048;
/** Two numbers in lists that grow by half. */
const PLANNED_BYTES = 32;
/** So many need no room in common with others: nobody can take the turns from everybody. */
const ALWAYS_PLANNED = 1_024;

/** One connection's order. */
export class DeliveryPlan<Content extends { readonly blob: Uint8Array }> {
  readonly #share: HeldShare;
  readonly #turns = new FairQueue<string, number>(TURN_COST);
  readonly #contents = new Map<number, Content>();

  constructor(share: HeldShare) {
    this.#share = share;
  }

  get size(): number {
    return this.#turns.size;
  }

  /** False if there is no room. What comes later has a higher `seq`. */
  add({ seq, from, bytes }: Outlined, content?: Content): boolean {
    if (this.size >= ALWAYS_PLANNED && !this.#share.take(PLANNED_BYTES)) return false;
    this.#turns.push(byteKey(from), DELIVERY_COST + bytes, seq);
    if (content !== undefined) this.provide(seq, content);
    return true;
  }

  /** The content of a planned one; kept if there is room for it. */
  provide(seq: number, content: Content): void {
    if (this.#contents.has(seq) || !this.#share.takeContent(content)) return;
    this.#contents.set(seq, content);
  }

  /** Whose turn it is. */
  take(): Planned | null {
    const next = this.#turns.takeOne();
    if (next === null) return null;
    if (this.size >= ALWAYS_PLANNED) this.#share.give(PLANNED_BYTES);
    return { seq: next.item, bytes: next.cost - DELIVERY_COST };
  }

  /** Whether its content is here. */
  has(seq: number): boolean {
    return this.#contents.has(seq);
  }

  /** Lets go of a content. */
  contentOf(seq: number): Content | undefined {
    const content = this.#contents.get(seq);
    if (content === undefined) return undefined;
    this.#contents.delete(seq);
    this.#share.giveContent(content);
    return content;
  }
}
