/**
 * The table of rows in an open database: reads, and changes as one transaction on the disk.
 * Owns its statements, and what a failed transaction leaves behind (nothing). Does not own when
 * transactions happen, nor what follows from a failure.
 */
import type { DatabaseSync } from 'node:sqlite';
import { StorageError } from '../../ground/errors.js';
import type { StoreRange, StoreRow } from '../store.js';
import { openDatabase } from './open-database.js';
import { OpenFiles } from './open-files.js';
import type { RowSealer } from './row-sealer.js';
import { storageErrorOf } from './storage-failure.js';

/** The state that rows shall have; null deletes. */
export type RowChanges = ReadonlyMap<string, Uint8Array | null>;

/** Reads and writes of one open database. Everything it throws is a typed error. */
export class RowTable {
  readonly #database: DatabaseSync;
  readonly #sealer: RowSealer;
  readonly #path: string;
  readonly #files: OpenFiles;
  readonly #statements: ReturnType<typeof prepare>;

  /** See `openDatabase`. */
  static open(path: string, sealer: RowSealer): RowTable {
    const database = openDatabase(path, sealer);
    try {
      return new RowTable(database, sealer, path);
    } catch (thrown) {
      database.close();
      throw storageErrorOf(thrown, path);
    }
  }

  private constructor(database: DatabaseSync, sealer: RowSealer, path: string) {
    this.#database = database;
    this.#sealer = sealer;
    this.#path = path;
    this.#files = new OpenFiles(path);
    this.#statements = prepare(database);
  }

  get(key: string): Uint8Array | null {
    return this.#typed(() => {
      const row = this.#statements.get.get(key);
      return row === undefined ? null : this.#open(key, row['value']);
    });
  }

  range({ from, to, limit, reverse = false }: StoreRange): readonly StoreRow[] {
    return this.#typed(() => {
      const statement = reverse ? this.#statements.last : this.#statements.first;
      const most = Math.min(Math.max(limit, 0), Number.MAX_SAFE_INTEGER);
      const rows: StoreRow[] = [];
      for (const { key, value } of statement.iterate(from, to, most)) {
        rows.push({ key: String(key), value: this.#open(key, value) });
      }
      return rows;
    });
  }

  /**
   * Returns once all changes are on the disk, and then how long the write-ahead log is (bytes);
   * throws if none of them is there.
   */
  write(changes: RowChanges): number {
    try {
      return this.#transact(changes);
    } catch (error) {
      if (!(error instanceof StorageError) || error.code !== 'STORE_FULL') throw error;
    }
    // It may have been the log that took the room; now it is empty.
    return this.#transact(changes);
  }

  /** Moves the log into the database and empties it: older versions of rows go with it. */
  checkpoint(): void {
    this.#typed(() => this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)'));
  }

  /** Also moves the log into the database if that is possible; it keeps for later otherwise. */
  close(): void {
    this.#typed(() => this.#database.close());
  }

  #transact(changes: RowChanges): number {
    try {
      this.#files.confirm();
      this.#database.exec('BEGIN IMMEDIATE');
      for (const [key, value] of changes) this.#apply(key, value);
      this.#database.exec('COMMIT');
      return this.#files.confirm();
    } catch (thrown) {
      this.#undo();
      throw storageErrorOf(thrown, this.#path);
    }
  }

  #apply(key: string, value: Uint8Array | null): void {
    if (value === null) this.#statements.delete.run(key);
    else this.#statements.put.run(key, this.#sealer.seal('row', key, value));
  }

  /**
   * SQLite may have rolled back by itself, and then refuses to do it again; if it could not, the
   * next transaction is refused. After a failed fsync the log may hold the refused transaction as
   * if it were complete: emptying the log, to which SQLite does not count it, takes it away.
   */
  #undo(): void {
    for (const command of ['ROLLBACK', 'PRAGMA wal_checkpoint(TRUNCATE)']) {
      try {
        this.#database.exec(command);
      } catch {
        // The failure that led here is the one to report.
      }
    }
  }

  #open(key: unknown, sealed: unknown): Uint8Array {
    const value = this.#sealer.open('row', key, sealed);
    if (value === null) throw new StorageError('STORE_CORRUPT', `${this.#path}: ${String(key)}`);
    return value;
  }

  #typed<T>(task: () => T): T {
    try {
      return task();
    } catch (thrown) {
      throw storageErrorOf(thrown, this.#path);
    }
  }
}

function prepare(database: DatabaseSync) {
  const range = 'SELECT key, value FROM row WHERE key >= ? AND key < ? ORDER BY key';
  return {
    get: database.prepare('SELECT value FROM row WHERE key = ?'),
    first: database.prepare(`${range} LIMIT ?`),
    last: database.prepare(`${range} DESC LIMIT ?`),
    put: database.prepare(
      'INSERT INTO row VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    ),
    delete: database.prepare('DELETE FROM row WHERE key = ?'),
  };
}
