/**
 * The group commit: gathers what one turn of the loop changes in the queues and commits it at once.
 * Owns batching, order (one commit at a time, each sender's envelopes in the order of the calls)
 * and, while commits are slower than what comes, the share of each sender in them, which is small
 * where others would wait for it; does not own who is answered or pushed to, nor limits of senders.
 */
import { FairQueue } from './fair-queue.js';
import type { AppendOutcome, HubStore, NewEnvelope, QueueQuota } from './hub-store.js';
import type { CommitResult, QueueChanges, QueueReference, QueueReschedule } from './hub-store.js';

/** An envelope on its way into the store, and who is told what became of it. */
export interface PendingEnvelope {
  readonly envelope: NewEnvelope;
  /** Whose share it takes; the same text for the same sender. */
  readonly sender: string;
  /** Asked before its commit: what it is answered because of what came before it; null to go on. */
  refusedBefore?(): AppendOutcome | null;
  /** Called once, after the commit: `stored` means durable. */
  settle(outcome: AppendOutcome): void;
}

/** What the writer needs of the hub. */
export interface QueueWriterOptions {
  readonly store: Pick<HubStore, 'commit'>;
  readonly quota: QueueQuota;
  /**
   * Envelopes that start a commit without waiting for the end of the turn, and the most that one
   * commit takes: so long do others wait for a sender of many.
   */
  readonly commitEnvelopes: number;
  readonly clock: () => number;
  readonly defer: (task: () => void) => void;
  /** Senders for whom a notice was stored. */
  readonly onNotified: (senders: readonly Uint8Array[]) => void;
  /** The store refused a commit: everything in it was answered `storage`. */
  readonly onFailure: (error: unknown) => void;
}

/** What the next commit changes, apart from envelopes to append. */
interface Batch {
  append: readonly PendingEnvelope[];
  readonly acknowledge: Map<Uint8Array, number[]>;
  readonly reschedule: QueueReschedule[];
  readonly deadLetter: QueueReference[];
  /** Run after the commit, whatever came of it. */
  readonly after: LaterTask[];
}

/** A task that waits for all that was called before it. */
interface LaterTask {
  readonly run: () => void;
  /** Number of the last append before it. */
  readonly appends: number;
}

/** What an envelope costs beside its bytes: about as much as a KiB. */
const ENVELOPE_COST = 1_024;
/** One turn of one sender: a few small envelopes. */
const TURN_COST = 8 * 1_024;
/** What one commit takes of large envelopes. */
const COMMIT_COST = 8 * 1_024 * 1_024;
/** The same of one sender while there are others, who wait for it: a fraction of a millisecond. */
const COST_BESIDE_OTHERS = 24 * 1_024;
/** So long after two senders came one after the other there are others. */
const OTHERS_MS = 1_000;

/** One per hub. Every change goes through it, so that what was called first is stored first. */
export class QueueWriter {
  readonly #options: QueueWriterOptions;
  #gathering = emptyBatch();
  #committing: Batch | null = null;
  /** Envelopes for this commit or a later one. */
  readonly #waiting = new FairQueue<string, PendingEnvelope>(TURN_COST);
  /** Numbers of those that are not settled, the lowest first. */
  readonly #unsettled = new Map<PendingEnvelope, number>();
  #appends = 0;
  #lastSender = '';
  /** When another sender came than the one before. */
  #changedMs = Number.NEGATIVE_INFINITY;
  /** Tasks whose commit is done, and which wait for envelopes of an earlier call. */
  #later: LaterTask[] = [];
  #flushDeferred = false;
  #uncommittedBytes = 0;
  /** Acknowledgements among what is gathered. */
  #acknowledged = 0;

  constructor(options: QueueWriterOptions) {
    this.#options = options;
  }

  /** Blob bytes that are held in memory until their commit. */
  get uncommittedBytes(): number {
    return this.#uncommittedBytes;
  }

  append(pending: PendingEnvelope): void {
    const { length } = pending.envelope.blob;
    this.#uncommittedBytes += length;
    this.#appends += 1;
    if (pending.sender !== this.#lastSender && this.#lastSender !== '') {
      this.#changedMs = this.#options.clock();
    }
    this.#lastSender = pending.sender;
    this.#unsettled.set(pending, this.#appends);
    this.#waiting.push(pending.sender, ENVELOPE_COST + length, pending);
    if (this.#waiting.size >= this.#options.commitEnvelopes) this.flush();
    else this.#flushLater();
  }

  /**
   * The recipient's array stands for the recipient: pass the same one for the same queue. Nobody
   * waits for it, so it goes with the next commit, or with the hub's next tick: a write of its own
   * for each would double the writes of a hub that is not busy. If it is lost, that is a
   * redelivery, which can happen to every acknowledgement on its way.
   */
  acknowledge(recipient: Uint8Array, seq: number): void {
    const seqs = this.#gathering.acknowledge.get(recipient);
    if (seqs === undefined) this.#gathering.acknowledge.set(recipient, [seq]);
    else seqs.push(seq);
    this.#acknowledged += 1;
    if (this.#acknowledged >= this.#options.commitEnvelopes) this.#flushLater();
  }

  reschedule(change: QueueReschedule): void {
    this.#gathering.reschedule.push(change);
    this.#flushLater();
  }

  deadLetter(reference: QueueReference): void {
    this.#gathering.deadLetter.push(reference);
    this.#flushLater();
  }

  /** Runs the task once everything called before is committed; at once if nothing is open. */
  whenSettled(task: () => void): void {
    const later = { run: task, appends: this.#appends };
    if (!this.#isIdle) {
      this.#gathering.after.push(later);
      this.#flushLater();
    } else if (this.#committing === null) task();
    else this.#committing.after.push(later);
  }

  /** Commits what has gathered, unless a commit is running: then it follows that one. */
  flush(): void {
    if (this.#committing !== null) return;
    const append = this.#nextEnvelopes();
    if (append.length === 0 && isEmpty(this.#gathering)) {
      return this.#runSettled(this.#gathering.after.splice(0));
    }
    const batch = { ...this.#gathering, append };
    this.#gathering = emptyBatch();
    this.#acknowledged = 0;
    this.#committing = batch;
    this.#options.store.commit(this.#changesOf(batch)).then(
      (result) => this.#committed(batch, result),
      (error: unknown) => this.#failed(batch, error),
    );
  }

  #flushLater(): void {
    if (this.#flushDeferred || this.#committing !== null) return;
    this.#flushDeferred = true;
    this.#options.defer(() => {
      this.#flushDeferred = false;
      this.flush();
    });
  }

  /** Nothing to commit but what is being committed. */
  get #isIdle(): boolean {
    return this.#waiting.size === 0 && isEmpty(this.#gathering);
  }

  /** Each sender's share. What came before some was refused by an earlier commit: these too. */
  #nextEnvelopes(): PendingEnvelope[] {
    const hasOthers = this.#options.clock() - this.#changedMs < OTHERS_MS;
    const ofOne = hasOthers ? COST_BESIDE_OTHERS : COMMIT_COST;
    for (;;) {
      const next = this.#waiting.take(this.#options.commitEnvelopes, COMMIT_COST, ofOne);
      const open = next.filter((pending) => {
        const outcome = pending.refusedBefore?.() ?? null;
        // In their order, so that what follows them in turn is refused too.
        if (outcome !== null) this.#settle(pending, outcome);
        return outcome === null;
      });
      if (open.length > 0 || next.length === 0) return open;
    }
  }

  #changesOf(batch: Batch): QueueChanges {
    return {
      nowMs: this.#options.clock(),
      acknowledge: [...batch.acknowledge].map(([recipient, seqs]) => ({ recipient, seqs })),
      reschedule: batch.reschedule,
      deadLetter: batch.deadLetter,
      append: batch.append.map((pending) => pending.envelope),
      quota: this.#options.quota,
    };
  }

  #committed(batch: Batch, result: CommitResult): void {
    this.#committing = null;
    batch.append.forEach((pending, index) => {
      this.#settle(pending, result.appended[index] ?? { status: 'storage' });
    });
    if (result.notified.length > 0) this.#options.onNotified(result.notified);
    this.#runSettled(batch.after);
    this.flush();
  }

  /** Senders are told; what concerns stored envelopes is kept and goes with the next commit. */
  #failed(batch: Batch, error: unknown): void {
    this.#committing = null;
    this.#options.onFailure(error);
    for (const [recipient, seqs] of batch.acknowledge) {
      const later = this.#gathering.acknowledge.get(recipient) ?? [];
      this.#gathering.acknowledge.set(recipient, [...seqs, ...later]);
    }
    this.#gathering.reschedule.unshift(...batch.reschedule);
    this.#gathering.deadLetter.unshift(...batch.deadLetter);
    for (const pending of batch.append) this.#settle(pending, { status: 'storage' });
    this.#runSettled(batch.after);
    // New envelopes are tried again at once; what was kept alone waits for the hub's next tick.
    if (this.#waiting.size > 0) this.#flushLater();
  }

  /** Runs the tasks before which nothing is open any more, in the order of their calls. */
  #runSettled(tasks: readonly LaterTask[]): void {
    this.#later.push(...tasks);
    const [oldest = Infinity] = this.#unsettled.values();
    const due = this.#later.filter(({ appends }) => appends < oldest);
    this.#later = this.#later.filter(({ appends }) => appends >= oldest);
    for (const { run } of due) run();
  }

  #settle(pending: PendingEnvelope, outcome: AppendOutcome): void {
    this.#uncommittedBytes -= pending.envelope.blob.length;
    this.#unsettled.delete(pending);
    pending.settle(outcome);
  }
}

function emptyBatch(): Batch {
  return { append: [], acknowledge: new Map(), reschedule: [], deadLetter: [], after: [] };
}

function isEmpty({ acknowledge, reschedule, deadLetter }: Batch): boolean {
  return acknowledge.size === 0 && reschedule.length === 0 && deadLetter.length === 0;
}
