/**
 * One writer, one transaction for all that a turn of the loop writes (hub.md §4).
 * Owns when a transaction begins and ends, and that a promise resolves only after its commit is on
 * the disk. Does not own what the changes do.
 */
import type { DatabaseSync } from 'node:sqlite';
import { HubStoreError, storeErrorOf } from './store-error.js';

/** Weight that one transaction may hold: about 5 ms of work. */
const TRANSACTION_WEIGHT = 512;

/** Caches that follow the database. */
export interface TransactionFollower {
  /** The last writes of a transaction. */
  write(): void;
  committed(): void;
  rolledBack(): void;
}

/** What a group commit is made of. */
export interface GroupCommitOptions {
  readonly database: DatabaseSync;
  readonly followers: readonly TransactionFollower[];
  /** Runs a task after the current turn of the loop. */
  readonly defer: (task: () => void) => void;
  /** Throws if the files are not those that were opened. */
  readonly confirmFiles: () => void;
  /** After each commit, outside of any transaction; may not throw. */
  readonly onCommit: () => void;
  /** A failure after which the database is not used any more. */
  readonly onFatal: (error: HubStoreError) => void;
  /** Milliseconds that only rise, and who is told how long each commit took. */
  readonly monotonic: () => number;
  readonly onCommitTime: (milliseconds: number) => void;
}

/** Changes that belong together. */
export interface Change<T> {
  /** Runs inside a transaction; may be run again after a rollback. */
  readonly run: () => T;
  /** Envelopes it writes, or 1. */
  readonly weight: number;
  /** After the commit, before the promise resolves. */
  readonly afterCommit?: () => void;
}

interface Pending {
  readonly weight: number;
  /** Runs the change and keeps its result. */
  run(): void;
  /** Resolves with the result. */
  resolve(): void;
  reject(error: HubStoreError): void;
}

/** Queue of changes, and the only place that begins a transaction. */
export class GroupCommit {
  readonly #options: GroupCommitOptions;
  readonly #pending: Pending[] = [];
  #isDeferred = false;
  #isOpen = false;
  #failure: HubStoreError | null = null;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
  }

  /** Why nothing can be written any more; null while all is well. */
  get failure(): HubStoreError | null {
    return this.#failure;
  }

  /** From now on every change is refused with this. */
  fail(error: HubStoreError): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#options.onFatal(error);
  }

  /** Commits what is pending; later changes are refused. */
  close(): void {
    this.flush();
    this.#failure ??= new HubStoreError('STORE_CLOSED');
  }

  /** Resolves once the change is durable. Rejects with a {@link HubStoreError}: nothing changed. */
  add<T>(change: Change<T>): Promise<T> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return new Promise<T>((resolve, reject) => {
      let result: { readonly value: T } | null = null;
      this.#pending.push({
        weight: change.weight,
        run() {
          result = { value: change.run() };
        },
        resolve() {
          change.afterCommit?.();
          if (result !== null) resolve(result.value);
        },
        reject,
      });
      this.#flushLater();
    });
  }

  /** Commits everything that is pending. */
  flush(): void {
    while (this.#pending.length > 0) {
      const batch = this.#nextBatch();
      const error = this.#transact(batch);
      if (error === null) continue;
      // One change may be at fault: the others get a transaction of their own.
      if (batch.length === 1 || error.fatal) this.#rejectAll(batch, error);
      else for (const one of batch) this.#alone(one);
    }
  }

  #flushLater(): void {
    if (this.#isDeferred) return;
    this.#isDeferred = true;
    this.#options.defer(() => {
      this.#isDeferred = false;
      this.flush();
    });
  }

  #nextBatch(): Pending[] {
    let weight = 0;
    const end = this.#pending.findIndex((pending, index) => {
      weight += pending.weight;
      return weight > TRANSACTION_WEIGHT && index > 0;
    });
    return this.#pending.splice(0, end < 0 ? this.#pending.length : end);
  }

  #alone(pending: Pending): void {
    const error = this.#failure ?? this.#transact([pending]);
    if (error !== null) pending.reject(error);
  }

  /** Null if all changes are durable and were told so. */
  #transact(batch: readonly Pending[]): HubStoreError | null {
    if (this.#failure !== null) return this.#failure;
    const { database, followers, confirmFiles, onCommit } = this.#options;
    try {
      database.exec('BEGIN IMMEDIATE');
      this.#isOpen = true;
      for (const pending of batch) pending.run();
      for (const follower of followers) follower.write();
      this.#commit();
      confirmFiles();
    } catch (thrown) {
      return this.#rollBack(storeErrorOf(thrown));
    }
    for (const follower of followers) follower.committed();
    for (const pending of batch) pending.resolve();
    onCommit();
    return null;
  }

  #commit(): void {
    const { database, monotonic, onCommitTime } = this.#options;
    const startedMs = monotonic();
    database.exec('COMMIT');
    this.#isOpen = false;
    onCommitTime(monotonic() - startedMs);
  }

  #rollBack(error: HubStoreError): HubStoreError {
    const { database, followers } = this.#options;
    let reported = error;
    try {
      if (this.#isOpen) endTransaction(database);
      this.#isOpen = false;
      for (const follower of followers) follower.rolledBack();
    } catch (thrown) {
      // What the transaction left behind is unknown: only a new opening can tell.
      reported = new HubStoreError('STORE_FAILED', { cause: thrown });
    }
    if (reported.fatal) this.fail(reported);
    return reported;
  }

  #rejectAll(batch: readonly Pending[], error: HubStoreError): void {
    for (const pending of batch) pending.reject(error);
  }
}

/** Rolls back, unless SQLite did so by itself: then a new transaction can begin. */
function endTransaction(database: DatabaseSync): void {
  try {
    database.exec('ROLLBACK');
  } catch {
    database.exec('BEGIN');
    database.exec('ROLLBACK');
  }
}
