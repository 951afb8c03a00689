/**
 * `SqliteAgentStore`: an agent's rows in one encrypted SQLite file (protocol.md §2.11).
 * Owns the life of the store: opening, refusing after a failure, merges, closing. Opening the file
 * is `open-database`'s, grouping is `commit-queue`'s, transactions are `store-database`'s.
 */
import { systemRandom } from '@agentmesh/crypto';
import type { AgentMeshError, RandomSource, Secret } from '@agentmesh/crypto';
import { resolve } from 'node:path';
import { StorageError } from '../../ground/errors.js';
import type { AgentStore, StoreOperation, StoreRange, StoreRow } from '../store.js';
import { CommitQueue } from './commit-queue.js';
import { FileLock } from './file-lock.js';
import { prepareFile } from './open-database.js';
import type { RowChanges } from './overlay.js';
import { RowSealer } from './row-sealer.js';
import { storageErrorOf } from './storage-failure.js';
import { StoreDatabase } from './store-database.js';

/** The journal is merged into the table when it is this long, and this long after a commit. */
const LONGEST_JOURNAL_BYTES = 1024 * 1024;
const MERGE_MS = 1_000;
const ROW_KEY = /^[\x20-\x7e]{1,200}$/;

/** How to open a store. */
export interface SqliteAgentStoreOptions {
  /** The key that `loadOrCreateKeyFile` gives with the agent's identity. */
  readonly storeKey: Secret<'store key'>;
  /** Default: the machine's. */
  readonly random?: RandomSource | undefined;
}

/**
 * An `AgentStore` in a file of mode 0600, made with its folder if missing. One process at a time:
 * others get STORE_LOCKED at once, and the lock ends with the process, also by `kill -9`.
 *
 * - Values are encrypted, each under a key of its own, and open only in their own row. Keys of rows
 *   are readable, because ranges need their order: names, addresses, session ids, counters and
 *   times, which is what the hub sees too. That a row is missing or old is not seen.
 * - Commits of one turn of the event loop share a transaction, and so do those that come while the
 *   one before is being synced. If it fails, so do the commits that were called later and wait.
 *   STORE_FULL leaves the store usable, any other failure is its last word: it refuses everything
 *   until it is opened anew.
 * - Deleted and overwritten values leave both files within seconds, at the next merge; that a
 *   medium forgets them cannot be promised.
 * - STORE_CORRUPT (damage, or not a store), STORE_MISMATCH (another key) and STORE_VERSION (written
 *   by a newer version) leave the file as it was. STORE_FAILED: see its cause.
 */
export class SqliteAgentStore implements AgentStore {
  readonly #path: string;
  readonly #sealer: RowSealer;
  readonly #random: RandomSource;
  readonly #queue: CommitQueue;
  #database: StoreDatabase | null = null;
  #lock: FileLock | null = null;
  #failure: AgentMeshError | null = null;
  /** Until the next merge, unless the journal grows long before. */
  #pause: NodeJS.Timeout | null = null;
  #isMergeDue = false;
  /** The pause is for what goes on in the journal: nothing was committed since. */
  #isQuiet = false;

  /** Touches nothing before `open`. */
  constructor(path: string, { storeKey, random = systemRandom }: SqliteAgentStoreOptions) {
    this.#path = resolve(path);
    this.#sealer = new RowSealer(storeKey, random);
    this.#random = random;
    this.#queue = new CommitQueue((changes) => this.#write(changes));
  }

  /** The store of a key file, in the same folder: `alice.db` beside `alice.json`. */
  static beside(keyFilePath: string, options: SqliteAgentStoreOptions): SqliteAgentStore {
    return new SqliteAgentStore(`${keyFilePath.replace(/\.json$/, '')}.db`, options);
  }

  /** Where the file is: absolute. */
  get path(): string {
    return this.#path;
  }

  async open(): Promise<void> {
    const lock = await this.#take();
    try {
      this.#database = StoreDatabase.open(this.#path, this.#sealer, this.#random);
    } catch (error) {
      await lock.release();
      throw error;
    }
    this.#lock = lock;
    this.#failure = null;
    // What a process that was killed had overwritten or deleted is still in journal and log.
    this.#merge({ carry: false });
  }

  get(key: string): Promise<Uint8Array | null> {
    return this.#read((database) => database.get(key));
  }

  range(range: StoreRange): Promise<readonly StoreRow[]> {
    return this.#read((database) => database.range(range));
  }

  async commit(operations: readonly StoreOperation[]): Promise<void> {
    this.#usable();
    for (const operation of operations) assertOperation(operation);
    await this.#queue.add(operations);
  }

  async close(): Promise<void> {
    if (this.#database === null) return;
    await this.#queue.flush();
    this.#merge({ carry: false });
    const [database, lock] = [this.#database, this.#lock];
    this.#database = null;
    this.#lock = null;
    this.#forgetMerge();
    try {
      database?.close();
    } finally {
      await lock?.release();
    }
  }

  /** The file, made if it is missing, and its lock: before anything of it is read. */
  async #take(): Promise<FileLock> {
    try {
      prepareFile(this.#path);
      return await FileLock.take(this.#path);
    } catch (thrown) {
      throw storageErrorOf(thrown, this.#path);
    }
  }

  #read<T>(read: (database: StoreDatabase) => T): Promise<T> {
    return promised(() => {
      const database = this.#usable();
      try {
        return read(database);
      } catch (thrown) {
        throw this.#failed(thrown);
      }
    });
  }

  async #write(changes: RowChanges): Promise<AgentMeshError | null> {
    try {
      const database = this.#usable();
      await database.write(changes);
      this.#mergeSoon(database.journalBytes);
      return null;
    } catch (thrown) {
      return this.#failed(thrown);
    }
  }

  #usable(): StoreDatabase {
    if (this.#database === null) throw new StorageError('STORE_CLOSED');
    if (this.#failure !== null) throw this.#failure;
    return this.#database;
  }

  #failed(thrown: unknown): AgentMeshError {
    const error = storageErrorOf(thrown, this.#path);
    if (error.code !== 'STORE_FULL') this.#failure ??= error;
    return error;
  }

  /** After a sync and before the next transaction: what is merged is durable, or refused. */
  #mergeSoon(journalBytes: number): void {
    if (this.#isMergeDue) {
      setImmediate(() => this.#merge({ carry: true }));
      return;
    }
    // The pause is that of the first commit.
    if (this.#isQuiet) this.#forgetMerge();
    this.#mergeAfterPause();
    if (journalBytes >= LONGEST_JOURNAL_BYTES) setImmediate(() => this.#shorten());
  }

  /**
   * Ends a long cycle of the journal before its pause is over. The log mostly stays: what several
   * cycles write over one another reaches the database once.
   */
  #shorten(): void {
    if (this.#database === null || this.#failure !== null) return;
    try {
      this.#database.merge({ carry: true });
      if (this.#database.isLogLong()) this.#database.emptyLog();
    } catch (thrown) {
      this.#failed(thrown);
    }
  }

  #mergeAfterPause(): void {
    this.#pause ??= setTimeout(() => {
      this.#pause = null;
      if (this.#queue.isWriting) this.#isMergeDue = true;
      else this.#merge({ carry: true });
    }, MERGE_MS).unref();
  }

  /** What it moves is durable already, so a failure concerns the calls to come. */
  #merge(options: { readonly carry: boolean }): void {
    this.#forgetMerge();
    if (this.#database === null || this.#failure !== null) return;
    try {
      // What goes on in the journal is for the table next time, if it is still there.
      this.#isQuiet = this.#database.merge(options);
      this.#database.emptyLog();
      if (this.#isQuiet) this.#mergeAfterPause();
    } catch (thrown) {
      this.#failed(thrown);
      this.#mergeAfterPause();
    }
  }

  #forgetMerge(): void {
    if (this.#pause !== null) clearTimeout(this.#pause);
    this.#pause = null;
    this.#isMergeDue = false;
    this.#isQuiet = false;
  }
}

function assertOperation(operation: StoreOperation): void {
  const key = 'put' in operation ? operation.put : operation.delete;
  if (typeof key !== 'string' || !ROW_KEY.test(key)) {
    throw new StorageError('STORE_FAILED', 'keys of rows are 1 to 200 printable ASCII characters');
  }
  if ('put' in operation && !(operation.value instanceof Uint8Array)) {
    throw new StorageError('STORE_FAILED', 'values of rows are bytes');
  }
}

function promised<T>(task: () => T): Promise<T> {
  return new Promise((fulfil) => {
    fulfil(task());
  });
}
