/**
 * The two files of an open store, and whether they are still the ones that were opened.
 * Owns that question only: SQLite itself goes on writing to a file that was removed.
 */
import { statfsSync, statSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { StorageError } from '../../ground/errors.js';

/** Remembers a database and its write-ahead log by device and number. */
export class OpenFiles {
  readonly #database: BigIntStats;
  readonly #log: BigIntStats;
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    this.#database = statSync(path, { bigint: true });
    this.#log = statSync(logOf(path), { bigint: true });
  }

  /** Bytes in the log. Throws STORE_FAILED if one of the files was removed or replaced. */
  confirm(): number {
    this.#same(this.#path, this.#database);
    return Number(this.#same(logOf(this.#path), this.#log).size);
  }

  /** Bytes that the disk of the database has left for us. */
  room(): number {
    const { bavail, bsize } = statfsSync(this.#path);
    return bavail * bsize;
  }

  #same(path: string, before: BigIntStats): BigIntStats {
    const now = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (now !== undefined && now.dev === before.dev && now.ino === before.ino) return now;
    throw new StorageError('STORE_FAILED', `${path}: removed or replaced while in use`);
  }
}

/** Where SQLite keeps the write-ahead log of a database. */
export function logOf(path: string): string {
  return `${path}-wal`;
}
