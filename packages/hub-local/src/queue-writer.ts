/**
 * The group commit: gathers what one turn of the loop changes in the queues and commits it at once.
 * Owns batching, order (one commit at a time, each sender's envelopes in the order of the calls)
 * and, while commits are slower than what comes, the share of each sender in them, which is small
 * where others would wait for it; does not own who is answered or pushed to, nor limits of senders.
 */
import { byteKey } from './byte-key.js';
import { RecentSenders } from './commit-share.js';
import { FairQueue } from './fair-queue.js';
import type { AppendOutcome, HubStore, NewEnvelope, QueueQuota } from './hub-store.js';
import type { CommitResult, QueueReference, QueueReschedule } from './hub-store.js';
import { QueueUpkeep } from './queue-upkeep.js';
import type { Upkeep } from './queue-upkeep.js';

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
  readonly append: readonly PendingEnvelope[];
  readonly upkeep: Upkeep;
  /** Run after the commit, whatever came of it. */
  readonly after: LaterTask[];
}

/** A task that waits for all that was called before it. */
interface LaterTask {
  readonly run: () => void;
  /** Whose queue it is about; null for all of them. */
  readonly recipient: Uint8Array | null;
  /** Number of the last append before it. */
  readonly appends: number;
}

/** What an envelope costs beside its bytes: about as much as a KiB. */
const ENVELOPE_COST = 1_024;
/** One turn of one sender: a few small envelopes. */
const TURN_COST = 8 * 1_024;
/** What one commit takes of large envelopes. */
const COMMIT_COST = 8 * 1_024 * 1_024;
/** What one commit changes of each kind in queues, beside what it appends. */
const MOST_UPKEEP = 256;

/** One per hub. Every change goes through it, so that what was called first is stored first. */
export class QueueWriter {
  readonly #options: QueueWriterOptions;
  #committing: Batch | null = null;
  /** Envelopes for this commit or a later one. */
  readonly #waiting = new FairQueue<string, PendingEnvelope>(TURN_COST);
  readonly #senders = new RecentSenders();
  /** For the next commits, and the tasks that wait for it. */
  #upkeep = new QueueUpkeep();
  #settling: LaterTask[] = [];
  /** What follows all of that, and the tasks that wait for it too. */
  #gathering = new QueueUpkeep();
  #after: LaterTask[] = [];
  /** Numbers of those that are not settled, the lowest first. */
  readonly #unsettled = new Map<PendingEnvelope, number>();
  #appends = 0;
  /** Tasks whose commit is done, and which wait for envelopes of an earlier call. */
  #later: LaterTask[] = [];
  #flushDeferred = false;
  #uncommittedBytes = 0;

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
    this.#unsettled.set(pending, this.#appends);
    const waiting = this.#waiting.push(pending.sender, ENVELOPE_COST + length, pending);
    this.#senders.note(pending.sender, waiting, this.#options.clock());
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
    this.#gathering.acknowledge(recipient, seq);
    if (this.#gathering.acknowledged >= this.#options.commitEnvelopes) this.#flushLater();
  }

  reschedule(change: QueueReschedule): void {
    this.#gathering.reschedule(change);
    this.#flushLater();
  }

  deadLetter(reference: QueueReference): void {
    this.#gathering.deadLetter(reference);
    this.#flushLater();
  }

  /**
   * Runs the task once every append before it is committed, and everything else that was called of
   * the recipient's queue, or of any; at once if nothing is open.
   */
  whenSettled(task: () => void, recipient: Uint8Array | null = null): void {
    const later = { run: task, recipient, appends: this.#appends };
    if (!this.#isIdle) {
      this.#after.push(later);
      this.#flushLater();
    } else if (this.#committing === null) task();
    else this.#committing.after.push(later);
  }

  /** Commits what has gathered, unless a commit is running: then it follows that one. */
  flush(): void {
    if (this.#committing !== null) return;
    const append = this.#nextEnvelopes();
    if (this.#upkeep.isEmpty) this.#nextUpkeep();
    const upkeep = this.#upkeep.take(Math.max(MOST_UPKEEP, 2 * append.length));
    const after = this.#takeSettling();
    if (append.length === 0 && isEmpty(upkeep)) return this.#runSettled(after);
    const batch = { append, upkeep, after };
    this.#committing = batch;
    const { store, clock, quota } = this.#options;
    const envelopes = append.map(({ envelope }) => envelope);
    store.commit({ ...upkeep, nowMs: clock(), append: envelopes, quota }).then(
      (result) => this.#committed(batch, result),
      (error: unknown) => this.#failed(batch, error),
    );
  }

  /** What comes from now on waits until all of this is done: so it delays no task before it. */
  #nextUpkeep(): void {
    [this.#upkeep, this.#gathering] = [this.#gathering, this.#upkeep];
    this.#settling.push(...this.#after);
    this.#after = [];
  }

  /** The tasks before which no change of a queue is left for a later commit. */
  #takeSettling(): LaterTask[] {
    if (this.#settling.length + this.#after.length === 0) return [];
    const taken: LaterTask[] = [];
    const [open, later] = [this.#upkeep, this.#gathering].map((upkeep) => upkeep.keys());
    const concerns = (keys: ReadonlySet<string> | undefined, { recipient }: LaterTask): boolean =>
      keys !== undefined && (recipient === null ? keys.size > 0 : keys.has(byteKey(recipient)));
    const stays = (task: LaterTask, isOpen: boolean): boolean => {
      if (!isOpen) taken.push(task);
      return isOpen;
    };
    this.#settling = this.#settling.filter((task) => stays(task, concerns(open, task)));
    this.#after = this.#after.filter((task) =>
      stays(task, concerns(open, task) || concerns(later, task)),
    );
    return taken;
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
    return this.#waiting.size === 0 && this.#upkeep.isEmpty && this.#gathering.isEmpty;
  }

  /** Each sender's share. What came before some was refused by an earlier commit: these too. */
  #nextEnvelopes(): PendingEnvelope[] {
    const ofOne = this.#senders.share(COMMIT_COST, this.#options.clock());
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
    this.#upkeep.putBack(batch.upkeep);
    for (const pending of batch.append) this.#settle(pending, { status: 'storage' });
    // Nobody waits for a store that takes no changes.
    this.#runSettled([...batch.after, ...this.#settling.splice(0), ...this.#after.splice(0)]);
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

function isEmpty({ acknowledge, reschedule, deadLetter }: Upkeep): boolean {
  return acknowledge.length === 0 && reschedule.length === 0 && deadLetter.length === 0;
}
