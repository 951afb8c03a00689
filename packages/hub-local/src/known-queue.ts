/**
 * What of one queue is known to wait for its connection: everything up to the frontier, in the
 * order of turns (`delivery-plan`). Owns the frontier and how it moves: by what was stored a moment
 * ago, as long as nothing is missing before it, and by reading. Does not own what is pushed when.
 */
import { DeliveryPlan } from './delivery-plan.js';
import type { Planned } from './delivery-plan.js';
import { HeldEnvelopes, HeldShare } from './held-envelopes.js';
import type { HeldBytes } from './held-envelopes.js';
import type { DueEnvelope, HubStore, OutlinedEnvelope, QueueOutline } from './hub-store.js';
import type { QueuePage } from './hub-store.js';

/** An envelope that was stored a moment ago. */
export type Offered = Omit<DueEnvelope, 'due' | 'attempt'>;

/** And the one that waited before it. */
type Following = Offered & { readonly follows: number };

export interface KnownQueueOptions {
  readonly recipient: Uint8Array;
  readonly store: Pick<HubStore, 'read' | 'outline'>;
  readonly held: HeldBytes;
  readonly clock: () => number;
}

/** What may be read with its contents. */
export interface Room {
  readonly messages: number;
  readonly bytes: number;
}

/** One reading beyond the frontier. */
export interface Look {
  /** Gives what takes the result in; that says whether to look on now if something is missing. */
  read(): Promise<() => boolean>;
  failed(): void;
}

/** Envelopes of which numbers are read at once: they stop the loop for a few milliseconds. */
const OUTLINE_PAGE = 2_000;

/** One connection's knowledge of its queue. */
export class KnownQueue {
  readonly #options: KnownQueueOptions;
  readonly #delay: (seq: number, dueMs: number) => void;
  readonly #share: HeldShare;
  /** Made when it is needed: most connections are idle. */
  #plan: DeliveryPlan<DueEnvelope> | null = null;
  /** Each follows the one before; the first follows the frontier, or what is to be read before. */
  readonly #ahead: HeldEnvelopes<Following>;
  /** Highest `seq` that is known: pushed, planned or delayed. What is new is above it, always. */
  #frontier = 0;
  /** Whether something may wait beyond the frontier. */
  #behind = true;
  #reading = false;
  /** Whether there was no room to know more of what waits. */
  #isFull = false;

  /** `delay`: for what has no turn yet, but a time of its own at which it is due. */
  constructor(options: KnownQueueOptions, delay: (seq: number, dueMs: number) => void) {
    this.#options = options;
    this.#delay = delay;
    this.#share = new HeldShare(options.held);
    this.#ahead = new HeldEnvelopes(this.#share);
  }

  get size(): number {
    return this.#plan?.size ?? 0;
  }

  /** Whether to look on: not for a few numbers while there is no room for more. */
  get mayLook(): boolean {
    const isAsked = this.#behind || typeof this.#plan?.missing === 'number';
    return isAsked && (!this.#isFull || this.size < OUTLINE_PAGE / 2);
  }

  /** Something may be in the queue that nobody offered. */
  wake(): void {
    this.#behind = true;
  }

  /**
   * An envelope was stored, after the one that `follows` names; null if nobody knows. True if it is
   * the next one: the caller adds it, or passes it. Else it is known already, waits here for what
   * is missing before it, or will be read.
   */
  offer(envelope: Offered, follows: number | null): boolean {
    const { lastSeq } = this.#ahead;
    if (envelope.seq <= Math.max(this.#frontier, lastSeq ?? 0)) return false;
    const isGap = follows === null || (lastSeq !== undefined && follows > lastSeq);
    // What cannot be read yet for want of room is not kept in memory either.
    if (isGap || (this.#behind && !this.#reading)) {
      this.wake();
      return false;
    }
    const isFirst = lastSeq === undefined;
    if (isFirst && follows <= this.#frontier && !this.#reading) return true;
    const isHeld = this.#ahead.add({ ...envelope, follows });
    // While the queue is read, whether something is missing shows when that is done.
    const isMissing = isFirst && follows > this.#frontier && !this.#reading;
    if (!isHeld || isMissing) this.wake();
    return false;
  }

  /** Gives the next one its place. */
  add(envelope: Offered): void {
    const outlined = { ...envelope, bytes: envelope.blob.length };
    if (!this.#add(outlined, { due: true, attempt: 1, ...envelope })) this.#behind = true;
  }

  /** The next one needs no place. */
  pass(seq: number): void {
    this.#frontier = Math.max(this.#frontier, seq);
  }

  take(): Planned | null {
    return this.#plan?.take() ?? null;
  }

  /** Whether its content is here. */
  has(seq: number): boolean {
    return this.#plan?.has(seq) === true;
  }

  /** Lets go of a content. */
  contentOf(seq: number): DueEnvelope | undefined {
    return this.#plan?.contentOf(seq);
  }

  /** A content that will be needed; kept if there is room for it. */
  provide(content: DueEnvelope): void {
    this.#plan?.provide(content.seq, content);
  }

  /** A short queue is read at once with its contents; of a long one numbers come first. */
  look(room: Room): Look {
    const { store, recipient, clock } = this.#options;
    if (!this.#behind) return this.#lookBack();
    this.#behind = false;
    this.#isFull = false;
    this.#reading = true;
    const query = () => ({ recipient, after: this.#frontier, nowMs: clock() });
    const isShort = this.size === 0;
    return {
      read: async () => {
        if (isShort) {
          const page = await store.read({ ...query(), ...room });
          return () => this.#takePage(page);
        }
        const outline = await store.outline({ ...query(), messages: OUTLINE_PAGE });
        return () => this.#takeOutline(outline);
      },
      failed: () => {
        this.#reading = false;
        this.#behind = true;
      },
    };
  }

  /** Reads again what there was no room to know. */
  #lookBack(): Look {
    const { store, recipient, clock } = this.#options;
    const from = this.#plan?.missing ?? 0;
    const upTo = this.#frontier;
    this.#reading = true;
    return {
      read: async () => {
        const query = { recipient, after: from - 1, nowMs: clock(), messages: OUTLINE_PAGE };
        const { entries, end } = await store.outline(query);
        const last = entries.at(-1)?.seq ?? upTo;
        const isLast = end || last >= upTo;
        return () => {
          const seen = { from, upTo: isLast ? upTo : last, isLast };
          this.#isFull = this.#plan?.refill(entries, seen) === false;
          return this.#looked(upTo, false);
        };
      },
      failed: () => {
        this.#reading = false;
      },
    };
  }

  /** The connection has ended. */
  end(): void {
    this.#ahead.clear();
    this.#plan = null;
    this.#share.end();
  }

  /** Makes it known; false if there is no room. */
  #add({ seq, from, bytes }: OutlinedEnvelope, content?: DueEnvelope): boolean {
    this.#plan ??= new DeliveryPlan(this.#share);
    const isKnown = this.#plan.add({ seq, from, bytes }, content);
    if (isKnown) this.#frontier = seq;
    else this.#isFull = true;
    return isKnown;
  }

  #takePage({ entries, end }: QueuePage): boolean {
    const before = this.#frontier;
    const isKnown = entries.every((entry) => {
      if (entry.seq <= this.#frontier) return true;
      if (entry.due) return this.#add({ ...entry, bytes: entry.blob.length }, entry);
      this.#delay(entry.seq, entry.notBeforeMs);
      this.pass(entry.seq);
      return true;
    });
    return this.#looked(before, isKnown && end);
  }

  #takeOutline({ entries, end }: QueueOutline): boolean {
    const before = this.#frontier;
    const isKnown = entries.every((entry) => entry.seq <= this.#frontier || this.#add(entry));
    return this.#looked(before, isKnown && end);
  }

  /** The frontier has moved from `before`; what came meanwhile follows, unless some is missing. */
  #looked(before: number, isEnd: boolean): boolean {
    this.#reading = false;
    if (!isEnd) this.#behind = true;
    for (let first = this.#ahead.first; first !== undefined; first = this.#ahead.first) {
      if (first.seq > this.#frontier && (!isEnd || first.follows > this.#frontier)) break;
      this.#ahead.takeFirst();
      if (first.seq > this.#frontier) this.add(first);
      else this.provide({ due: true, attempt: 1, ...first });
    }
    if (!isEnd || this.#ahead.first === undefined) return true;
    this.#behind = true;
    if (this.#frontier > before) return true;
    // What was read did not even show what is held: the next tick reads again.
    this.#ahead.clear();
    return false;
  }
}
