/**
 * Pushes one queue to one connection: its senders in turns, what is of one sender in order, within
 * the client's credit, never faster than the connection takes it (hub.md §2). Owns what is in
 * flight and when it comes again; what of the queue is known and whose turn it is is
 * `known-queue`'s, the queue itself the store's, the connection the transport's.
 *
 * An envelope that was stored a moment ago is pushed from memory when nothing waits before it, or
 * waits there for its turn. What is in the queue besides becomes known page by page, as numbers;
 * its contents are fetched when their turn has come. So a long queue is never held in memory.
 */
import { ExpiryAgenda } from './expiry-agenda.js';
import type { Planned } from './delivery-plan.js';
import type { HeldBytes } from './held-envelopes.js';
import type { Link } from './link.js';
import type { DueEnvelope, HubStore, QueueEntry } from './hub-store.js';
import { KnownQueue } from './known-queue.js';
import type { Offered, Room } from './known-queue.js';
import type { CoreLimits } from './core-limits.js';
import type { QueueWriter } from './queue-writer.js';

/** What a delivery needs of the hub. */
export interface DeliveryOptions {
  readonly recipient: Uint8Array;
  readonly link: Link;
  readonly store: Pick<HubStore, 'read' | 'outline' | 'fetch'>;
  readonly writer: QueueWriter;
  readonly limits: CoreLimits;
  /** What the hub's connections may hold together. */
  readonly held: HeldBytes;
  readonly clock: () => number;
  /** A sender is told that its envelope waits for a decision. */
  readonly senders: {
    putOff(sender: Uint8Array, id: Uint8Array, reason: string): void;
  };
  /** A read failed; it is tried again at the next tick. */
  readonly onFailure: (error: unknown) => void;
}

/** An envelope as its recipient gets it. */
export type Deliverable = Omit<DueEnvelope, 'due' | 'attempt' | 'expiresMs'>;

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
  readonly #queue: KnownQueue;
  /** Whose turn it is, and who comes next: their contents are being fetched, or find no room. */
  readonly #chosen: Planned[] = [];
  #reading = false;
  /** Whether the last one came again: then those who have a turn are next. */
  #wasRetry = false;
  /** Bytes of credit that the next envelope needs: do not read it again before they are there. */
  #needed = 1;
  #open = true;
  /** Frames that may come in answer to what was pushed. */
  #answers = 0;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    const delay = (seq: number, dueMs: number): void => this.#retryAt(seq, dueMs);
    this.#queue = new KnownQueue(options, delay);
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
   * An envelope was stored: pushes it at once if nothing waits and there is room. `follows` is the
   * one that waited before it, 0 for none; null if nobody knows.
   */
  offer(envelope: Offered, follows: number | null): void {
    if (!this.#open) return;
    if (this.#queue.offer(envelope, follows)) {
      const isFree = !this.#reading && this.#chosen.length === 0 && this.#queue.size === 0;
      if (isFree && this.#fits(envelope.blob.length)) return this.#push(envelope, 1);
      this.#queue.add(envelope);
    }
    this.pump();
  }

  /** Something may be in the queue that nobody offered. */
  wake(): void {
    this.#queue.wake();
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
    if (DECISIONS.has(reason)) this.#options.senders.putOff(from, id, reason);
    const dueMs = this.#options.clock() + delayMs;
    if (this.#putBack(seq, attempt, dueMs)) this.#retryAt(seq, dueMs);
    this.pump();
  }

  /** Continues after time has passed, or after the connection has taken what was sent. */
  pump(): void {
    if (!this.#open || this.#reading || !this.#hasRoom()) return;
    const isTurn = this.#wasRetry && this.#chosen.length + this.#queue.size > 0;
    const due = isTurn ? null : (this.#retries?.take(this.#options.clock()) ?? null);
    this.#wasRetry = due !== null;
    if (due !== null) return this.#retry(Number(due));
    // All that waits is known before turns are given, as far as there is room to know it.
    if (this.#queue.mayLook) return this.#look();
    this.#serve();
    if (isTurn || this.#queue.mayLook) this.pump();
  }

  /**
   * The connection is gone: what was in flight goes back to the queue. It counts as an attempt
   * unless the hub itself ended the connection in order to stop.
   */
  end(counts: boolean): void {
    if (!this.#open) return;
    this.#open = false;
    this.#queue.end();
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

  #look(): void {
    const look = this.#queue.look(this.#room);
    const take = (takeIn: () => boolean): void => {
      if (takeIn()) this.pump();
      else this.#serve();
    };
    this.#read(
      () => look.read(),
      take,
      () => look.failed(),
    );
  }

  /** One reading at a time. What was changed before is committed before it is read. */
  #read<T>(read: () => Promise<T>, take: (result: T) => void, failed: () => void): void {
    const { writer, recipient, onFailure } = this.#options;
    this.#reading = true;
    const took = (result: T): void => {
      this.#reading = false;
      if (this.#open) take(result);
    };
    writer.whenSettled(() => {
      read().then(took, (error: unknown) => {
        this.#reading = false;
        failed();
        onFailure(error);
      });
    }, recipient);
  }

  /** What may be read at once. */
  get #room(): Room {
    const { pageMessages, pageBytes } = this.#options.limits;
    return {
      messages: Math.min(this.#credit.messages, pageMessages),
      bytes: Math.min(this.#credit.bytes, pageBytes),
    };
  }

  /** Gives turns as long as there is room. `found`: what was fetched for them; null if gone. */
  #serve(found?: ReadonlyMap<number, QueueEntry | null>): void {
    for (let next = this.#next(); next !== null; next = this.#next()) {
      if (!this.#fits(next.bytes)) break;
      const entry = found?.get(next.seq) ?? this.#queue.contentOf(next.seq);
      if (entry === undefined && found?.get(next.seq) !== null) return this.#fetchChosen();
      this.#chosen.shift();
      if (entry?.due === false) this.#retryAt(entry.seq, entry.notBeforeMs);
      // What has expired is the sweep's.
      else if (entry !== undefined && entry.expiresMs > this.#options.clock()) {
        this.#push(entry, entry.attempt);
      }
    }
    // What found no room after all need not be fetched again.
    for (const { seq } of found === undefined ? [] : this.#chosen) {
      const entry = found?.get(seq);
      if (entry?.due === true) this.#queue.provide(entry);
    }
  }

  #next(): Planned | null {
    if (this.#chosen.length === 0) this.#choose();
    return this.#chosen[0] ?? null;
  }

  #choose(): void {
    const next = this.#queue.take();
    if (next !== null) this.#chosen.push(next);
  }

  /** As many turns at once as there is room for. */
  #fetchChosen(): void {
    const { store, recipient, clock } = this.#options;
    const { messages } = this.#room;
    let { bytes } = this.#room;
    const seqs: number[] = [];
    for (let at = 0; at < messages; at++) {
      if (this.#chosen.length === at) this.#choose();
      const next = this.#chosen[at];
      bytes -= next?.bytes ?? Infinity;
      if (next === undefined || (bytes < 0 && at > 0)) break;
      if (!this.#queue.has(next.seq)) seqs.push(next.seq);
    }
    this.#read(
      () => store.fetch({ recipient, seqs, nowMs: clock() }),
      (entries) => {
        const found = new Map<number, QueueEntry | null>(seqs.map((seq) => [seq, null]));
        for (const entry of entries) found.set(entry.seq, entry);
        this.#serve(found);
        this.pump();
      },
      () => undefined,
    );
  }

  /** One that was refused or delayed, out of turn. */
  #retry(seq: number): void {
    const { store, recipient, clock } = this.#options;
    const again = (): void => {
      this.#retryAt(seq, clock());
    };
    const read = () => store.fetch({ recipient, seqs: [seq], nowMs: clock() });
    const take = ([entry]: readonly QueueEntry[]): void => {
      if (entry?.due === false) this.#retryAt(seq, entry.notBeforeMs);
      else if (entry !== undefined && this.#fits(entry.blob.length)) {
        this.#push(entry, entry.attempt);
      } else if (entry !== undefined) again();
      this.pump();
    };
    this.#read(read, take, again);
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
    this.#queue.pass(seq);
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
