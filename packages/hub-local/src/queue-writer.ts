/**
 * The group commit: gathers what one turn of the loop changes in the queues and commits it at once.
 * Owns batching and order (one commit at a time, in the order of the calls); does not own who is
 * answered or pushed to, nor limits of senders.
 */
import type { AppendOutcome, HubStore, NewEnvelope, QueueQuota } from './hub-store.js';
import type { CommitResult, QueueChanges, QueueReference, QueueReschedule } from './hub-store.js';

/** An envelope on its way into the store, and who is told what became of it. */
export interface PendingEnvelope {
  readonly envelope: NewEnvelope;
  /** Asked before its commit: what it is answered because of what came before it; null to go on. */
  refusedBefore?(): AppendOutcome | null;
  /** Called once, after the commit: `stored` means durable. */
  settle(outcome: AppendOutcome): void;
}

/** What the writer needs of the hub. */
export interface QueueWriterOptions {
  readonly store: Pick<HubStore, 'commit'>;
  readonly quota: QueueQuota;
  /** Envelopes that start a commit without waiting for the end of the turn. */
  readonly commitEnvelopes: number;
  readonly clock: () => number;
  readonly defer: (task: () => void) => void;
  /** Senders for whom a notice was stored. */
  readonly onNotified: (senders: readonly Uint8Array[]) => void;
  /** The store refused a commit: everything in it was answered `storage`. */
  readonly onFailure: (error: unknown) => void;
}

interface Batch {
  readonly append: PendingEnvelope[];
  readonly acknowledge: Map<Uint8Array, number[]>;
  readonly reschedule: QueueReschedule[];
  readonly deadLetter: QueueReference[];
  /** Run after the commit, whatever came of it. */
  readonly after: (() => void)[];
}

/** One per hub. Every change goes through it, so that what was called first is stored first. */
export class QueueWriter {
  readonly #options: QueueWriterOptions;
  #gathering = emptyBatch();
  #committing: Batch | null = null;
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
    this.#uncommittedBytes += pending.envelope.blob.length;
    this.#gathering.append.push(pending);
    if (this.#gathering.append.length >= this.#options.commitEnvelopes) this.flush();
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
    if (!isEmpty(this.#gathering)) {
      this.#gathering.after.push(task);
      this.#flushLater();
    } else if (this.#committing === null) task();
    else this.#committing.after.push(task);
  }

  /** Commits what has gathered, unless a commit is running: then it follows that one. */
  flush(): void {
    if (this.#committing !== null) return;
    this.#refuseFollowers();
    if (isEmpty(this.#gathering)) return;
    const batch = this.#gathering;
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

  /** What came before them was refused by an earlier commit: they are not even tried. */
  #refuseFollowers(): void {
    const { append } = this.#gathering;
    const refused = append.filter((pending) => {
      const outcome = pending.refusedBefore?.() ?? null;
      // In their order, so that what follows them in turn is refused too.
      if (outcome !== null) this.#settle(pending, outcome);
      return outcome !== null;
    });
    if (refused.length === 0) return;
    const gone = new Set(refused);
    append.splice(0, append.length, ...append.filter((pending) => !gone.has(pending)));
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
    for (const task of batch.after) task();
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
    for (const task of batch.after) task();
    // New envelopes are tried again at once; what was kept alone waits for the hub's next tick.
    if (this.#gathering.append.length > 0) this.#flushLater();
  }

  #settle(pending: PendingEnvelope, outcome: AppendOutcome): void {
    this.#uncommittedBytes -= pending.envelope.blob.length;
    pending.settle(outcome);
  }
}

function emptyBatch(): Batch {
  return { append: [], acknowledge: new Map(), reschedule: [], deadLetter: [], after: [] };
}

function isEmpty({ append, acknowledge, reschedule, deadLetter }: Batch): boolean {
  return (
    append.length === 0 &&
    acknowledge.size === 0 &&
    reschedule.length === 0 &&
    deadLetter.length === 0
  );
}
