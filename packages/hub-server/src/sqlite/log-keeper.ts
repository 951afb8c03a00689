/**
 * When the write-ahead log is moved into the database, and whether both are still our files.
 * Owns checkpoints (SQLite's own are only a safety net behind them) and the files' identity.
 */
import { statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { DiskReading } from './disk-space.js';
import type { Failpoint } from './failpoint.js';
import { HubStoreError, storeErrorOf } from './store-error.js';

const MIB = 1024 * 1024;
const LARGEST_LOG = 16 * MIB;
/** On a small file system the log stays a small part of it. */
const LOG_SHARE = 1 / 16;
const PAGE = 4_096;

/** Files of one open database. */
export class LogKeeper {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #failpoint: Failpoint;
  readonly #identities: ReadonlyMap<string, string>;
  readonly #largestLog: number;
  #written = 0;

  constructor(database: DatabaseSync, path: string, failpoint: Failpoint) {
    this.#database = database;
    this.#path = path;
    this.#failpoint = failpoint;
    this.#identities = new Map([path, `${path}-wal`].map((file) => [file, identityOf(file)]));
    this.#largestLog = Math.min(LARGEST_LOG, this.read().total * LOG_SHARE);
    const pages = Math.ceil((2 * this.#largestLog) / PAGE);
    database.exec(`PRAGMA wal_autocheckpoint = ${pages}`);
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
    return { total: bsize * blocks, free: bsize * bavail, used: (pages - unused) * PAGE };
  }
}

/** Empty for a file that is not there. */
function identityOf(file: string): string {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats === undefined ? '' : `${stats.dev}:${stats.ino}`;
}

function numberOf(database: DatabaseSync, pragma: 'page_count' | 'freelist_count'): number {
  return Number(database.prepare(`PRAGMA ${pragma}`).get()?.[pragma]);
}
