/**
 * From a folder to an open database that is ours alone, checked and current.
 * Owns file modes, the exclusive lock, the check for damage and migrations. Until everything is
 * known to be in order it only reads: a file that is refused keeps every byte.
 */
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Failpoint } from './failpoint.js';
import { APPLICATION_ID, DIRECTORY_TABLES, MIGRATIONS } from './schema.js';
import { HubStoreError, storeErrorOf } from './store-error.js';

/** Name of the database in the hub's data folder. */
export const DATABASE_FILE = 'hub.db';

/** A file up to this size is checked whole on opening: some tenths of a second. */
const FULL_CHECK_BYTES = 256 * 1024 * 1024;

const PRIVATE_FILE = 0o600;
const PRIVATE_FOLDER = 0o700;

/** Where and how to open. */
export interface OpenOptions {
  readonly folder: string;
  readonly failpoint: Failpoint;
}

/** Opens or makes the database of a data folder; every refusal is a {@link HubStoreError}. */
export function openDatabase({ folder, failpoint }: OpenOptions): DatabaseSync {
  const path = join(folder, DATABASE_FILE);
  try {
    prepareFile(folder, path);
    inspect(path);
  } catch (error) {
    throw storeErrorOf(error, path);
  }
  const database = new DatabaseSync(path, { enableForeignKeyConstraints: false });
  try {
    configure(database);
    failpoint('recovering');
    migrate(database, failpoint);
    return database;
  } catch (error) {
    database.close();
    throw storeErrorOf(error, path);
  }
}

/** The hub's seed is in there: nobody else may read it. */
function prepareFile(folder: string, path: string): void {
  mkdirSync(folder, { recursive: true, mode: PRIVATE_FOLDER });
  if (!existsSync(path)) {
    closeSync(openSync(path, 'wx', PRIVATE_FILE));
    syncFolder(folder);
    return;
  }
  // Asked, not opened: closing a second descriptor would drop this process's locks on the file.
  accessSync(path, constants.R_OK | constants.W_OK);
  const stats = statSync(path);
  if (!stats.isFile()) throw new HubStoreError('STORE_UNWRITABLE', { detail: 'not a file' });
  if ((stats.mode & 0o077) !== 0) chmodSync(path, PRIVATE_FILE);
}

/** A new file's name is durable only with its folder; Windows cannot do this and need not. */
function syncFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const descriptor = openSync(folder, 'r');
  fsyncSync(descriptor);
  closeSync(descriptor);
}

/** Reads through a connection that cannot write; also the write-ahead log is left as it is. */
function inspect(path: string): void {
  if (isEmpty(path)) return;
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    if (numberOf(database, 'application_id') !== APPLICATION_ID && hasTables(database)) {
      throw new HubStoreError('STORE_FOREIGN', { detail: path });
    }
    refuseNewer(database, path);
    const isSmall = statSync(path).size <= FULL_CHECK_BYTES;
    // Stops at the first fault; a large file is checked where damage would take names or keys.
    for (const argument of isSmall ? ['1'] : DIRECTORY_TABLES) {
      const found = database.prepare(`PRAGMA quick_check(${argument})`).get()?.['quick_check'];
      if (found !== 'ok') {
        throw new HubStoreError('STORE_CORRUPT', { detail: `${path}: ${String(found)}` });
      }
    }
  } finally {
    database.close();
  }
}

/** Nothing was ever written: neither in the file nor in a log beside it. */
function isEmpty(path: string): boolean {
  const log = `${path}-wal`;
  return statSync(path).size === 0 && (!existsSync(log) || statSync(log).size === 0);
}

function hasTables(database: DatabaseSync): boolean {
  return database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() !== undefined;
}

function refuseNewer(database: DatabaseSync, path: string): void {
  const version = numberOf(database, 'user_version');
  if (version > MIGRATIONS.length) {
    const detail = `${path}: schema ${version}, this hub knows ${MIGRATIONS.length}`;
    throw new HubStoreError('STORE_VERSION', { detail });
  }
}

/**
 * The lock is taken with the first reading and kept for the life of the process; the index of the
 * log then lives in memory. `FULL`: a commit returns after the log is on the disk.
 */
function configure(database: DatabaseSync): void {
  database.exec('PRAGMA locking_mode = EXCLUSIVE');
  database.exec('PRAGMA journal_mode = WAL');
  database.exec('PRAGMA synchronous = FULL');
  database.exec('PRAGMA cache_size = -65536');
  database.exec('PRAGMA temp_store = MEMORY');
  database.exec('PRAGMA trusted_schema = OFF');
  database.exec('PRAGMA journal_size_limit = 67108864');
  database.exec('BEGIN IMMEDIATE; COMMIT');
}

/** All missing steps in one transaction: a file is of the old version or of the new one. */
function migrate(database: DatabaseSync, failpoint: Failpoint): void {
  const version = numberOf(database, 'user_version');
  if (version === MIGRATIONS.length) return;
  database.exec('BEGIN IMMEDIATE');
  for (const step of MIGRATIONS.slice(version)) database.exec(step);
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
  database.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
  failpoint('migrating');
  database.exec('COMMIT');
}

function numberOf(database: DatabaseSync, pragma: 'application_id' | 'user_version'): number {
  return Number(database.prepare(`PRAGMA ${pragma}`).get()?.[pragma]);
}
