/**
 * One open database of a store: a journal of commits, the table of rows, and what was committed
 * since the last merge in memory over it. Owns the transactions and what a failed one leaves behind
 * (nothing). Does not own when they happen, nor what follows from a failure.
 */
import type { RandomSource } from '@agentmesh/crypto';
import type { DatabaseSync } from 'node:sqlite';
import { StorageError } from '../../ground/errors.js';
import type { StoreRange, StoreRow } from '../store.js';
import { Journal } from './journal.js';
import type { NextCycle } from './journal.js';
import { LogSync } from './log-sync.js';
import { openDatabase } from './open-database.js';
import { OpenFiles } from './open-files.js';
import { Overlay } from './overlay.js';
import type { RowChanges } from './overlay.js';
import type { RowSealer } from './row-sealer.js';
import { RowTable } from './row-table.js';
import { storageErrorOf } from './storage-failure.js';

const LONGEST_LOG_BYTES = 3 * 1024 * 1024;
/** On a disk with less room than this the log takes no more of it than it must. */
const SCARCE_BYTES = 16 * 1024 * 1024;
/** There the log is emptied when it is this long. */
const SCARCE_LOG_BYTES = 64 * 1024;
const CHECKPOINT = 'PRAGMA wal_checkpoint(TRUNCATE)';

/** Reads and writes of one open database. Everything it throws is a typed error. */
export class StoreDatabase {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #files: OpenFiles;
  readonly #log: LogSync;
  readonly #table: RowTable;
  readonly #journal: Journal;
  readonly #overlay = new Overlay();

  /** See `openDatabase`. What a killed process had committed is merged. */
  static open(path: string, sealer: RowSealer, random: RandomSource): StoreDatabase {
    const database = openDatabase(path, sealer, random);
    try {
      return new StoreDatabase(path, database, { sealer, random });
    } catch (thrown) {
      database.close();
      throw storageErrorOf(thrown, path);
    }
  }

  private constructor(
    path: string,
    database: DatabaseSync,
    { sealer, random }: { readonly sealer: RowSealer; readonly random: RandomSource },
  ) {
    this.#database = database;
    this.#path = path;
    this.#files = new OpenFiles(path);
    this.#table = new RowTable(database, sealer, path);
    this.#journal = new Journal(database, { sealer, random, path });
    for (const changes of this.#journal.batches()) this.#overlay.add(changes);
    this.#log = new LogSync(path);
    // From here on the syncs after commits are ours, beside the loop; those around checkpoints stay
    // SQLite's.
    database.exec('PRAGMA synchronous = NORMAL');
  }

  /** Bytes of the journal since the last merge. */
  get journalBytes(): number {
    return this.#journal.bytes;
  }

  /** Whether SQLite's log should not wait for the end of a pause to be emptied. */
  isLogLong(): boolean {
    return this.#typed(
      () => this.#files.confirm() >= LONGEST_LOG_BYTES || this.#files.room() < SCARCE_BYTES,
    );
  }

  get(key: string): Uint8Array | null {
    return this.#typed(() => this.#overlay.get(key, this.#table));
  }

  range(range: StoreRange): readonly StoreRow[] {
    return this.#typed(() => this.#overlay.range(range, this.#table));
  }

  /**
   * Commits all changes at once: they are read from now on, and durable when the promise resolves.
   * Throws if nothing of it is there, rejects if nobody knows.
   */
  write(changes: RowChanges): Promise<void> {
    const pieces = this.#transactWithRoom(() => this.#journal.append(changes));
    this.#journal.appended(pieces);
    this.#overlay.add(changes);
    return this.#log.sync().catch((thrown: unknown) => {
      this.#takeBack(pieces);
      const detail = `${this.#path}: the disk did not take the log`;
      throw new StorageError('STORE_FAILED', detail, thrown);
    });
  }

  /**
   * Ends the journal's cycle: what was committed moves into the table, or, with `carry`, what is
   * young goes on in the next cycle. Returns whether anything does.
   */
  merge(options: { readonly carry: boolean }): boolean {
    if (this.#journal.bytes === 0) return false;
    const { table, journal } = this.#overlay.part(options);
    const next = this.#atOnce(table, journal) ?? this.#oneByOne(table, journal);
    this.#journal.ended(next);
    this.#overlay.replace(journal);
    return journal.size > 0;
  }

  /** Null where there is no room for it. */
  #atOnce(table: RowChanges, journal: RowChanges): NextCycle | null {
    if (this.#files.room() < SCARCE_BYTES) return null;
    try {
      return this.#transactWithRoom(() => {
        this.#table.apply(table);
        return this.#journal.end(journal);
      });
    } catch (error) {
      if (isFull(error)) return null;
      throw error;
    }
  }

  /**
   * Each change is a transaction, those that delete first: the others find the pages that these
   * free. The log is emptied before and between, so that it never takes the room that it needs in
   * the database. The journal has all of the changes until its cycle ends, so it does no harm if
   * only some are made.
   */
  #oneByOne(table: RowChanges, journal: RowChanges): NextCycle {
    this.emptyLog();
    const isPut = ([, value]: readonly [string, Uint8Array | null]): number =>
      value === null ? 0 : 1;
    for (const change of [...table].toSorted((a, b) => isPut(a) - isPut(b))) {
      this.#transactWithRoom(() => this.#table.apply(new Map([change])));
      if (this.#files.confirm() >= SCARCE_LOG_BYTES) this.emptyLog();
    }
    return this.#transactWithRoom(() => this.#journal.end(journal));
  }

  /** Moves the log into the database and empties it: older versions of rows go with both. */
  emptyLog(): void {
    this.#typed(() => this.#database.exec(CHECKPOINT));
  }

  /** What a failed sync may have left was refused. The store is not used any more after it. */
  #takeBack(pieces: number): void {
    try {
      this.#transact(() => this.#journal.erase(pieces));
      this.#database.exec(CHECKPOINT);
    } catch {
      // The failure that led here is the one to report.
    }
  }

  /** Also moves the log into the database if that is possible; it keeps for later otherwise. */
  close(): void {
    this.#log.close();
    this.#typed(() => this.#database.close());
  }

  /** If it was the log that took the room, the second try finds it empty. */
  #transactWithRoom<T>(task: () => T): T {
    try {
      return this.#transact(task);
    } catch (error) {
      if (!isFull(error)) throw error;
    }
    return this.#transact(task);
  }

  #transact<T>(task: () => T): T {
    return this.#typed(() => {
      const logBytes = this.#files.confirm();
      let result: T;
      try {
        this.#database.exec('BEGIN IMMEDIATE');
        result = task();
        this.#database.exec('COMMIT');
      } catch (thrown) {
        this.#undo(logBytes);
        throw thrown;
      }
      this.#files.confirm();
      return result;
    });
  }

  /**
   * SQLite may have rolled back by itself, and then refuses to do it again; if it could not, the
   * next transaction is refused. After a failed write the log may hold the refused transaction as
   * if it were complete: emptying the log, to which SQLite does not count it, takes it away. On a
   * full disk that needs the room which the refused transaction took: it is cut off first.
   */
  #undo(logBytes: number): void {
    for (const step of [
      () => this.#database.exec('ROLLBACK'),
      () => this.#log.cut(logBytes),
      () => this.#database.exec(CHECKPOINT),
    ]) {
      try {
        step();
      } catch {
        // The failure that led here is the one to report.
      }
    }
  }

  #typed<T>(task: () => T): T {
    try {
      return task();
    } catch (thrown) {
      throw storageErrorOf(thrown, this.#path);
    }
  }
}

function isFull(error: unknown): boolean {
  return error instanceof StorageError && error.code === 'STORE_FULL';
}
