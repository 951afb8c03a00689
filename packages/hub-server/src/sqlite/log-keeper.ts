/**
 * The write-ahead log: when it is on the disk, when it is moved into the database, and whether both
 * are still our files. Owns the syncs after commits, checkpoints (SQLite's own are only a safety
 * net behind them) and the files' identity.
 */
import { closeSync, fdatasync, openSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import type { DiskReading } from './disk-space.js';
import type { Failpoint } from './failpoint.js';
import { numberOf } from './open-database.js';
import { HubStoreError, storeErrorOf } from './store-error.js';

const MIB = 1024 * 1024;
const LARGEST_LOG = 16 * MIB;
/** On a small file system the log stays a small part of it. */
const LOG_SHARE = 1 / 16;
const syncData = promisify(fdatasync);

/** Files of one open database. */
export class LogKeeper {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #failpoint: Failpoint;
  readonly #identities: ReadonlyMap<string, string>;
  readonly #largestLog: number;
  /** Those of a file from an earlier version are larger. */
  readonly #pageBytes: number;
  /** The log once more: SQLite holds no locks on it that closing this would drop. */
  readonly #descriptor: number;
  #written = 0;

  constructor(database: DatabaseSync, path: string, failpoint: Failpoint) {
    this.#database = database;
    this.#path = path;
    this.#failpoint = failpoint;
    this.#identities = new Map([path, `${path}-wal`].map((file) => [file, identityOf(file)]));
    this.#pageBytes = numberOf(database, 'page_size');
    this.#largestLog = Math.min(LARGEST_LOG, this.read().total * LOG_SHARE);
    const pages = Math.ceil((2 * this.#largestLog) / this.#pageBytes);
    database.exec(`PRAGMA wal_autocheckpoint = ${pages}`);
    this.#descriptor = openSync(`${path}-wal`, 'r+');
    // From here on the syncs after commits are ours; those around checkpoints stay SQLite's.
    database.exec('PRAGMA synchronous = NORMAL');
  }

  /** Resolves when every commit before this call is on the disk. */
  sync(): Promise<void> {
    return syncData(this.#descriptor);
  }

  /** Before the database is closed. */
  close(): void {
    closeSync(this.#descriptor);
  }

  /** Counts what a transaction adds to the log, roughly. */
  wrote(bytes: number): void {
    this.#written += bytes;
  }

  /** Throws STORE_LOST if the database or its log was removed or replaced. */
  confirmFiles(): void {
    for (const [file, identity] of this.#identities) {
      if (identityOf(file) !== identity) throw new HubStoreError('STORE_LOST', { detail: file });
    }
  }

  /** Moves the log into the database if it is long enough; a full disk is no failure of this. */
  checkpointIfDue(): void {
    if (this.#written >= this.#largestLog) this.checkpoint();
  }

  checkpoint(): void {
    this.#written = 0;
    this.#failpoint('checkpointing');
    try {
      this.#database.exec('PRAGMA wal_checkpoint(PASSIVE)');
    } catch (thrown) {
      const error = storeErrorOf(thrown);
      if (error.fatal) throw error;
    }
    this.#failpoint('checkpointing');
  }

  /** Space on the file system and pages in use. */
  read(): DiskReading {
    const { bsize, blocks, bavail } = statfsSync(dirname(this.#path));
    const pages = numberOf(this.#database, 'page_count');
    const unused = numberOf(this.#database, 'freelist_count');
    const used = (pages - unused) * this.#pageBytes;
    const rest = { used, unused: unused * this.#pageBytes };
    return { total: bsize * blocks, free: bsize * bavail, ...rest };
  }
}

/** Empty for a file that is not there. */
function identityOf(file: string): string {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats === undefined ? '' : `${stats.dev}:${stats.ino}`;
}
