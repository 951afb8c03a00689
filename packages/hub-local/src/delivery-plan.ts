/**
 * The order in which one connection gets what waits for it: senders take turns (`fair-queue`), each
 * with its own envelopes in the order of the queue. Whoever has filled its share of a queue is then
 * before others with a turn only, not with all that it has. Owns which envelopes are known to wait,
 * as numbers, and the contents of those that were stored a moment ago; the rest is in the store.
 * Where there is no room for more numbers, those of whoever has most are left out from one on, and
 * asked for again when it has had its turns.
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
/** So many of each sender stay known, so that it has its turn. */
const FEW = 1;

/** One connection's order. */
export class DeliveryPlan<Content extends { readonly blob: Uint8Array }> {
  readonly #share: HeldShare;
  readonly #turns = new FairQueue<string, number>(TURN_COST);
  readonly #contents = new Map<number, Content>();
  /** The first of a sender that was left out: then so is all that it has from there on. */
  readonly #leftOut = new Map<string, number>();
  /** Of these, whoever has nothing planned any more. */
  readonly #short = new Set<string>();

  constructor(share: HeldShare) {
    this.#share = share;
  }

  get size(): number {
    return this.#turns.size + this.#leftOut.size;
  }

  /** From where on to ask again for what was left out; null if nobody waits for that. */
  get missing(): number | null {
    const [sender] = this.#short;
    return sender === undefined ? null : (this.#leftOut.get(sender) ?? null);
  }

  /** False if there is no room to know of it. What comes later has a higher `seq`. */
  add({ seq, from, bytes }: Outlined, content?: Content): boolean {
    const sender = byteKey(from);
    while (!this.#leftOut.has(sender)) {
      if (this.#turns.size < ALWAYS_PLANNED || this.#share.take(PLANNED_BYTES)) break;
      if (!this.#leaveOut()) return false;
    }
    if (this.#leftOut.has(sender)) return true;
    this.#turns.push(sender, DELIVERY_COST + bytes, seq);
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
    if (this.#turns.size >= ALWAYS_PLANNED) this.#share.give(PLANNED_BYTES);
    if (this.#leftOut.size > 0) this.#look(next.sender);
    return { seq: next.item, bytes: next.cost - DELIVERY_COST };
  }

  /**
   * Plans what had been left out: `entries` are all from `from` to `upTo`, and `isLast` says that
   * nothing that was left out is after them. False if there is no room for any.
   */
  refill(
    entries: readonly Outlined[],
    { from, upTo, isLast }: { readonly from: number; readonly upTo: number; isLast: boolean },
  ): boolean {
    const before = this.#turns.size;
    const firsts = new Map([...this.#leftOut].filter(([, seq]) => seq >= from && seq <= upTo));
    for (const sender of firsts.keys()) this.#leftOut.delete(sender);
    let isFull = false;
    for (const entry of entries) {
      const sender = byteKey(entry.from);
      if (entry.seq > upTo || entry.seq < (firsts.get(sender) ?? Infinity)) continue;
      if (this.add(entry)) continue;
      this.#leftOut.set(sender, entry.seq);
      isFull = true;
    }
    for (const sender of firsts.keys()) {
      if (!isLast && !this.#leftOut.has(sender)) this.#leftOut.set(sender, upTo + 1);
      this.#look(sender);
    }
    return !isFull || this.#turns.size > before;
  }

  /** Leaves out of whoever has most; false if everybody has few. */
  #leaveOut(): boolean {
    const over = this.#turns.size - ALWAYS_PLANNED;
    const shed = this.#turns.shed(FEW);
    const first = shed?.items[0];
    if (shed === null || first === undefined) return false;
    this.#share.give(Math.min(over, shed.items.length) * PLANNED_BYTES);
    for (const seq of shed.items) this.contentOf(seq);
    this.#leftOut.set(shed.sender, first);
    return true;
  }

  /** Whether the sender waits for what was left out. */
  #look(sender: string): void {
    const isShort = this.#leftOut.has(sender) && this.#turns.countOf(sender) === 0;
    if (isShort) this.#short.add(sender);
    else this.#short.delete(sender);
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
