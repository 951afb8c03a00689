/**
 * Pushes one queue to one connection: in order, within the client's credit, never faster than the
 * connection takes it (hub.md §2). Owns what is in flight and when it comes again; the queue itself
 * is the store's, the connection the transport's.
 *
 * An envelope that was stored a moment ago is pushed from memory when nothing before it is missing,
 * or held there for a while if the connection has no room, or while the queue is being read;
 * otherwise the queue is read page by page, so a long queue is never held in memory.
 */
import { ExpiryAgenda } from './expiry-agenda.js';
import { HeldEnvelopes } from './held-envelopes.js';
import type { HeldBytes } from './held-envelopes.js';
import type { Link } from './link.js';
import type { DueEnvelope, HubStore, QueueEntry, QueuePage, QueueQuery } from './hub-store.js';
import type { CoreLimits } from './core-limits.js';
import type { QueueWriter } from './queue-writer.js';

/** What a delivery needs of the hub. */
export interface DeliveryOptions {
  readonly recipient: Uint8Array;
  readonly link: Link;
  readonly store: Pick<HubStore, 'read'>;
  readonly writer: QueueWriter;
  readonly limits: CoreLimits;
  /** What the hub's connections may hold together. */
  readonly held: HeldBytes;
  readonly clock: () => number;
  /** Who is connected: a sender is told that its envelope waits for a decision. */
  readonly senders: {
    of(aid: Uint8Array): { putOff(id: Uint8Array, reason: string): void } | undefined;
  };
  /** A read failed; it is tried again at the next tick. */
  readonly onFailure: (error: unknown) => void;
}

/** An envelope as its recipient gets it. */
export type Deliverable = Omit<DueEnvelope, 'due' | 'attempt'>;

/** An envelope that was stored a moment ago. */
export type Offered = Deliverable & { readonly expiresMs: number };

/** And the one that waited before it. */
type Following = Offered & { readonly follows: number };

interface InFlight {
  readonly attempt: number;
  readonly from: Uint8Array;
  readonly id: Uint8Array;
}

/** For these somebody has to decide: the sender is told that it waits. */
const DECISIONS: ReadonlySet<string> = new Set(['IDENTITY_CHANGED', 'INSTANCE_HELD']);
/** One that says what became of it, one that gives its credit back. */
const ANSWERS_PER_PUSH = 2;
const MOST_ANSWERS = 10_000;
const VERSION = 2;
const LONGEST_CREDIT = Number.MAX_SAFE_INTEGER;

/** From authentication to the end of the connection. */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #credit: { messages: number; bytes: number };
  /**
   * Each envelope that was pushed and not yet answered, by its `seq`. Made when it is needed, as
   * what follows: most connections are idle.
   */
  #inFlight: Map<number, InFlight> | null = null;
  /** When each envelope that was refused or delayed is due again, by its `seq`. */
  #retries: ExpiryAgenda | null = null;
  /** Each follows the one before; the first follows the cursor, or what is to be read before it. */
  readonly #held: HeldEnvelopes<Following>;
  /** Highest `seq` that was pushed or put among the retries: what is new is above it, always. */
  #cursor = 0;
  /** Whether something may wait beyond the cursor. */
  #behind = true;
  #reading = false;
  /** Bytes of credit that the next envelope needs: do not read it again before they are there. */
  #needed = 1;
  #open = true;
  /** Frames that may come in answer to what was pushed. */
  #answers = 0;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#held = new HeldEnvelopes(options.held);
    const { initialCreditMessages, initialCreditBytes } = options.limits;
    this.#credit = { messages: initialCreditMessages, bytes: initialCreditBytes };
  }

  get inFlight(): number {
    return this.#inFlight?.size ?? 0;
  }

  /** Whether a frame that comes answers a delivery: an acknowledgement, a refusal, new credit. */
  takeAnswer(): boolean {
    if (this.#answers === 0) return false;
    this.#answers -= 1;
    return true;
  }

  /**
   * An envelope was stored: pushes it at once if it is the next one and there is room. `follows` is
   * the one that waited before it, 0 for none; null if nobody knows.
   */
  offer(envelope: Offered, follows: number | null): void {
    const { lastSeq } = this.#held;
    if (!this.#open || envelope.seq <= Math.max(this.#cursor, lastSeq ?? 0)) return;
    const isGap = follows === null || (lastSeq !== undefined && follows > lastSeq);
    // What cannot be read yet for want of room is not kept in memory either.
    if (isGap || (this.#behind && !this.#reading)) return this.wake();
    const isFirst = lastSeq === undefined;
    const isNext = isFirst && follows <= this.#cursor && !this.#behind && !this.#reading;
    if (isNext && this.#fits(envelope.blob.length)) return this.#push(envelope, 1);
    const isHeld = this.#held.add({ ...envelope, follows });
    // While the queue is read, whether something is missing shows when that is done.
    const isMissing = isFirst && follows > this.#cursor && !this.#reading;
    if (!isHeld || isMissing) this.wake();
  }

  /** Something may be in the queue that nobody offered. */
  wake(): void {
    this.#behind = true;
    this.pump();
  }

  grant(credit: { readonly messages: number; readonly bytes: number }): void {
    this.#credit.messages = Math.min(this.#credit.messages + credit.messages, LONGEST_CREDIT);
    this.#credit.bytes = Math.min(this.#credit.bytes + credit.bytes, LONGEST_CREDIT);
    this.pump();
  }

  /** Only what is in flight can be acknowledged: nothing unread is ever deleted. */
  acknowledge(seqs: readonly number[]): void {
    for (const seq of seqs) {
      if (this.#inFlight?.delete(seq) === true) {
        this.#options.writer.acknowledge(this.#options.recipient, seq);
      }
    }
  }

  refuse(seq: number, delayMs: number, reason: string): void {
    const pushed = this.#inFlight?.get(seq);
    if (pushed === undefined) return;
    const { attempt, from, id } = pushed;
    this.#inFlight?.delete(seq);
    if (DECISIONS.has(reason)) this.#options.senders.of(from)?.putOff(id, reason);
    const dueMs = this.#options.clock() + delayMs;
    if (this.#putBack(seq, attempt, dueMs)) this.#retryAt(seq, dueMs);
    this.pump();
  }

  /** Continues after time has passed, or after the connection has taken what was sent. */
  pump(): void {
    if (!this.#open || this.#reading || !this.#hasRoom()) return;
    const { store, writer, recipient, clock, onFailure } = this.#options;
    const due = this.#retries?.take(clock()) ?? null;
    const retry = due === null ? null : Number(due);
    if (retry === null && (!this.#pushHeld() || !this.#behind)) return;
    if (retry === null) this.#behind = false;
    this.#reading = true;
    // What was changed before is committed before it is read.
    writer.whenSettled(() => {
      const query = this.#query(recipient, retry, clock());
      store.read(query).then(
        (page) => this.#take(page, retry),
        (error: unknown) => {
          this.#reading = false;
          if (retry === null) this.#behind = true;
          else this.#retryAt(retry, clock());
          onFailure(error);
        },
      );
    });
  }

  /**
   * The connection is gone: what was in flight goes back to the queue. It counts as an attempt
   * unless the hub itself ended the connection in order to stop.
   */
  end(counts: boolean): void {
    if (!this.#open) return;
    this.#open = false;
    this.#held.clear();
    if (!counts) return;
    for (const [seq, { attempt }] of this.#inFlight ?? []) this.#putBack(seq, attempt, 0);
    this.#inFlight = null;
  }

  /** Next attempt, or the dead letter office after the last one. */
  #putBack(seq: number, attempt: number, notBeforeMs: number): boolean {
    const { writer, recipient, limits } = this.#options;
    const again = attempt < limits.deliveryAttempts;
    if (again) writer.reschedule({ recipient, seq, attempt: attempt + 1, notBeforeMs });
    else writer.deadLetter({ recipient, seq });
    return again;
  }

  #query(recipient: Uint8Array, retry: number | null, nowMs: number): QueueQuery {
    const { limits } = this.#options;
    const bytes = Math.min(this.#credit.bytes, limits.pageBytes);
    if (retry !== null) return { recipient, after: retry - 1, messages: 1, bytes, nowMs };
    const messages = Math.min(this.#credit.messages, limits.pageMessages);
    return { recipient, after: this.#cursor, messages, bytes, nowMs };
  }

  #take(page: QueuePage, retry: number | null): void {
    this.#reading = false;
    if (!this.#open) return;
    const before = this.#cursor;
    if (retry === null) this.#takeNew(page);
    else this.#takeRetry(retry, page.entries[0]);
    if (retry === null && this.#isGapBeforeHeld()) {
      this.#behind = true;
      // What was read did not even show what is held: the next tick reads again.
      if (this.#cursor === before) return this.#held.clear();
    }
    this.pump();
  }

  /** Whether something is to be read before what is held. */
  #isGapBeforeHeld(): boolean {
    this.#dropRead();
    const first = this.#held.first;
    return first !== undefined && first.follows > this.#cursor;
  }

  /** What has been pushed meanwhile, or put off, is held no more. */
  #dropRead(): void {
    while ((this.#held.first?.seq ?? Infinity) <= this.#cursor) this.#held.dropFirst();
  }

  /**
   * Pushes what is held, unless something is to be read before it; false if there is no room. What
   * has expired meanwhile is the sweep's.
   */
  #pushHeld(): boolean {
    const nowMs = this.#options.clock();
    this.#dropRead();
    for (let next = this.#held.first; next !== undefined; next = this.#held.first) {
      if (next.follows > this.#cursor) return true;
      const isLate = next.expiresMs <= nowMs;
      if (!isLate && !this.#fits(next.blob.length)) return false;
      this.#held.dropFirst();
      if (isLate) this.#cursor = Math.max(this.#cursor, next.seq);
      else this.#push(next, 1);
    }
    return true;
  }

  #takeNew(page: QueuePage): void {
    for (const entry of page.entries) {
      if (entry.seq <= this.#cursor) continue;
      if (entry.due && !this.#fits(entry.blob.length)) {
        this.#behind = true;
        return;
      }
      if (entry.due) this.#push(entry, entry.attempt);
      else this.#delay(entry.seq, entry.notBeforeMs);
    }
    if (!page.end) this.#behind = true;
  }

  /** The envelope asked for comes first in the page, unless it is gone. */
  #takeRetry(seq: number, entry: QueueEntry | undefined): void {
    if (entry?.seq !== seq) return;
    if (!entry.due) this.#delay(seq, entry.notBeforeMs);
    else if (this.#fits(entry.blob.length)) this.#push(entry, entry.attempt);
    else this.#delay(seq, this.#options.clock());
  }

  #delay(seq: number, dueMs: number): void {
    this.#retryAt(seq, dueMs);
    this.#cursor = Math.max(this.#cursor, seq);
  }

  #retryAt(seq: number, dueMs: number): void {
    this.#retries ??= new ExpiryAgenda();
    this.#retries.set(`${seq}`, dueMs);
  }

  #push(envelope: Deliverable, attempt: number): void {
    const { seq, id, from, tsMs, blob } = envelope;
    const { link, recipient } = this.#options;
    this.#credit.messages -= 1;
    this.#credit.bytes -= blob.length;
    this.#cursor = Math.max(this.#cursor, seq);
    this.#inFlight ??= new Map();
    this.#inFlight.set(seq, { attempt, from, id });
    this.#answers = Math.min(this.#answers + ANSWERS_PER_PUSH, MOST_ANSWERS);
    const content = { v: VERSION, id, from, to: recipient, ts: tsMs, blob } as const;
    link.send({ type: 'deliver', seq, attempt, envelope: content });
  }

  #hasRoom(): boolean {
    const { link, limits } = this.#options;
    const hasCredit = this.#credit.messages > 0 && this.#credit.bytes >= this.#needed;
    return hasCredit && link.backlog <= limits.backlogBytes;
  }

  /** Whether an envelope may be pushed now; remembers what is missing if not. */
  #fits(bytes: number): boolean {
    this.#needed = 1;
    if (!this.#hasRoom()) return false;
    if (this.#credit.bytes >= bytes) return true;
    this.#needed = bytes;
    return false;
  }
}
