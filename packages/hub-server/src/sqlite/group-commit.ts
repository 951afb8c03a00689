/**
 * One writer, one transaction for all that is changed while the last is being synced (hub.md §4).
 * Owns when a transaction begins and ends, and that a promise resolves only after its commit is on
 * the disk. Does not own what the changes do.
 *
 * A group is committed, then its log is synced outside the event loop: meanwhile frames are read
 * and answered, and what they change is the next group. Nothing is read that is not on the disk
 * yet.
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
  /** Resolves when every commit so far is on the disk. */
  readonly sync: () => Promise<void>;
  /** Throws if the files are not those that were opened. */
  readonly confirmFiles: () => void;
  /** After each group, outside of any transaction; may not throw. */
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
  /** Settles when the group that is being synced is answered; null while there is none. */
  #syncing: Promise<void> | null = null;
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
  async close(): Promise<void> {
    while (this.#syncing !== null || this.#pending.length > 0) {
      await this.#syncing;
      this.#flush();
    }
    this.#failure ??= new HubStoreError('STORE_CLOSED');
  }

  /** Runs once all that is committed is on the disk: what is seen is never lost again. */
  async read<T>(run: () => T): Promise<T> {
    while (this.#syncing !== null) await this.#syncing;
    if (this.#failure !== null) throw this.#failure;
    try {
      return run();
    } catch (thrown) {
      const error = storeErrorOf(thrown);
      if (error.fatal) this.fail(error);
      throw error;
    }
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

  /** What one callback changes is one group: who comes later gathers while it is being synced. */
  #flushLater(): void {
    if (this.#isDeferred || this.#syncing !== null) return;
    this.#isDeferred = true;
    queueMicrotask(() => {
      this.#isDeferred = false;
      this.#flush();
    });
  }

  /** Commits what is pending, unless a group is being synced: then it follows that one. */
  #flush(): void {
    if (this.#syncing !== null || this.#pending.length === 0) return;
    const startedMs = this.#options.monotonic();
    const group = this.#commit(this.#nextBatch());
    if (group.length > 0) this.#syncing = this.#settle(group, startedMs);
    else if (this.#pending.length > 0) this.#flushLater();
  }

  /** Gives the changes that were committed; the others are told why not. */
  #commit(batch: readonly Pending[]): readonly Pending[] {
    const error = this.#transact(batch);
    if (error === null) return batch;
    // One change may be at fault: the others get a transaction of their own.
    if (batch.length > 1 && !error.fatal) return batch.flatMap((one) => this.#commit([one]));
    for (const one of batch) one.reject(error);
    return [];
  }

  /** Waits for the disk, then tells. Without the disk nothing is known to be kept. */
  async #settle(group: readonly Pending[], startedMs: number): Promise<void> {
    const { sync, confirmFiles, onCommit, monotonic, onCommitTime } = this.#options;
    try {
      await sync();
      confirmFiles();
    } catch (thrown) {
      this.fail(fatalErrorOf(thrown));
    }
    this.#syncing = null;
    for (const pending of group) {
      if (this.#failure === null) pending.resolve();
      else pending.reject(this.#failure);
    }
    if (this.#failure === null) {
      onCommitTime(monotonic() - startedMs);
      onCommit();
    }
    if (this.#pending.length > 0) this.#flushLater();
  }

  #nextBatch(): Pending[] {
    let weight = 0;
    const end = this.#pending.findIndex((pending, index) => {
      weight += pending.weight;
      return weight > TRANSACTION_WEIGHT && index > 0;
    });
    return this.#pending.splice(0, end < 0 ? this.#pending.length : end);
  }

  /** Null if all changes are committed. */
  #transact(batch: readonly Pending[]): HubStoreError | null {
    if (this.#failure !== null) return this.#failure;
    const { database, followers } = this.#options;
    try {
      database.exec('BEGIN IMMEDIATE');
      this.#isOpen = true;
      for (const pending of batch) pending.run();
      for (const follower of followers) follower.write();
      database.exec('COMMIT');
      this.#isOpen = false;
    } catch (thrown) {
      return this.#rollBack(storeErrorOf(thrown));
    }
    for (const follower of followers) follower.committed();
    return null;
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
}

/** After a failed sync the system may have dropped what it could not write: no second try helps. */
function fatalErrorOf(thrown: unknown): HubStoreError {
  const error = storeErrorOf(thrown);
  return error.fatal ? error : new HubStoreError('STORE_FAILED', { cause: thrown });
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
