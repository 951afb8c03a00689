/**
 * From a folder to an open database that is ours alone, checked and current.
 * Owns file modes, the exclusive lock, the check for damage and migrations. Until everything is
 * known to be in order it only reads: a file that is refused keeps every byte.
 */
import { accessSync, closeSync, constants, existsSync, lstatSync, statSync } from 'node:fs';
import type { RandomSource } from '@agentmesh/protocol';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import {
  closeToOthers,
  createPrivateFile,
  fileFault,
  prepareFolder,
  syncFolder,
} from '../private-files.js';
import type { Failpoint } from './failpoint.js';
import { APPLICATION_ID, DIRECTORY_TABLES, MIGRATIONS } from './schema.js';
import { HubStoreError, storeErrorOf } from './store-error.js';
import { openTimeline } from './timelines.js';

/** Name of the database in the hub's data folder. */
const DATABASE_FILE = 'hub.db';

/** A file up to this size is checked whole on opening: some tenths of a second. */
const FULL_CHECK_BYTES = 256 * 1024 * 1024;

/** Everything that the store makes in its folder: none of it may be somebody else's. */
const FILES = [DATABASE_FILE, `${DATABASE_FILE}-wal`, `${DATABASE_FILE}-shm`, 'hub.reserve'];

/** Small: most commits change little on each page. */
const PAGE_BYTES = 2_048;
const DEFAULT_CACHE_BYTES = 64 * 1024 * 1024;

/** Set while a process has the database open: then there is a log beside it. */
const IN_USE = 'in_use';

/** Where and how to open. */
export interface OpenOptions {
  readonly folder: string;
  readonly failpoint: Failpoint;
  readonly random: RandomSource;
  /** Opens a database whose log is gone, without what was in it. */
  readonly acceptLostLog?: boolean;
  /** Of pages that are kept in memory. */
  readonly cacheBytes?: number | undefined;
}

/** Opens the database of a prepared folder; every refusal is a {@link HubStoreError}. */
export function openDatabase(options: OpenOptions): DatabaseSync {
  const { folder, failpoint, acceptLostLog, random, cacheBytes } = options;
  const path = join(folder, DATABASE_FILE);
  try {
    inspect(path, acceptLostLog === true);
  } catch (error) {
    throw storeErrorOf(error, path);
  }
  const database = openFile(path, { enableForeignKeyConstraints: false });
  try {
    configure(database, cacheBytes);
    failpoint('recovering');
    migrate(database, failpoint);
    begin(database, random);
    return database;
  } catch (error) {
    database.close();
    throw storeErrorOf(error, path);
  }
}

/**
 * Makes folder and file if they are missing. The hub's seed is in there: nobody else may read it,
 * and nobody else may have prepared it. Returns the path of the database.
 */
export function prepareFile(folder: string): string {
  const path = join(folder, DATABASE_FILE);
  try {
    prepare(folder, path);
    return path;
  } catch (error) {
    throw storeErrorOf(error, path);
  }
}

function prepare(folder: string, path: string): void {
  refuseUnsafe(prepareFolder(folder));
  for (const name of FILES) confirmFile(join(folder, name));
  if (!existsSync(path)) {
    refuseLogAlone(path);
    closeSync(createPrivateFile(path));
    syncFolder(folder);
    return;
  }
  // Asked, not opened: closing a second descriptor would drop this process's locks on the file.
  accessSync(path, constants.R_OK | constants.W_OK);
}

/** Closes a file that others could only read; refuses one that is not ours alone, and a link. */
function confirmFile(path: string): void {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (stats.isDirectory()) throw new HubStoreError('STORE_UNWRITABLE', { detail: 'not a file' });
  closeToOthers(path);
  refuseUnsafe(fileFault(path, 'kept'));
}

function refuseUnsafe(fault: string | null): void {
  if (fault !== null) throw new HubStoreError('STORE_UNSAFE', { detail: fault });
}

/** Reads through a connection that cannot write; also the write-ahead log is left as it is. */
function inspect(path: string, acceptLostLog: boolean): void {
  if (isEmpty(path)) return;
  if (sizeOf(path) === 0) refuseLogAlone(path);
  const database = openFile(path, { readOnly: true });
  try {
    if (numberOf(database, 'application_id') !== APPLICATION_ID && hasTables(database)) {
      throw new HubStoreError('STORE_FOREIGN', { detail: path });
    }
    refuseNewer(database, path);
    if (!acceptLostLog) refuseWithoutLog(database, path);
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
  return sizeOf(path) === 0 && sizeOf(`${path}-wal`) === 0;
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** SQLite would throw away a log whose database is missing or empty. */
function refuseLogAlone(path: string): void {
  if (sizeOf(`${path}-wal`) > 0) {
    throw new HubStoreError('STORE_INCOMPLETE', { detail: `${path} is missing` });
  }
}

/**
 * A database that was copied while it was in use lacks what is in its log: perhaps the hub's key
 * and every name. A process that ends orderly leaves neither log nor mark; one that is killed
 * leaves both.
 */
function refuseWithoutLog(database: DatabaseSync, path: string): void {
  if (numberOf(database, 'user_version') === 0 || sizeOf(`${path}-wal`) > 0) return;
  if (!isInUse(database)) return;
  const detail = `${path}-wal is missing; --accept-lost-log starts without what was in it`;
  throw new HubStoreError('STORE_INCOMPLETE', { detail });
}

/**
 * The mark, and the timeline of this opening: in the database itself, not only in its log, after
 * the log is on the disk.
 */
function begin(database: DatabaseSync, random: RandomSource): void {
  database.exec('BEGIN IMMEDIATE');
  openTimeline(database, { random, isAfterOrderlyEnd: !isInUse(database) });
  database.prepare('INSERT OR REPLACE INTO meta VALUES (?, 1)').run(IN_USE);
  database.exec('COMMIT');
  database.exec('PRAGMA wal_checkpoint(PASSIVE)');
}

function isInUse(database: DatabaseSync): boolean {
  return database.prepare('SELECT 1 FROM meta WHERE key = ?').get(IN_USE) !== undefined;
}

/**
 * Closes it and takes the mark away, so that the log may go. Where that last change fails, the
 * database is closed all the same: what is committed stays, and the next start says what to do.
 */
export function closeDatabase(database: DatabaseSync): void {
  try {
    forgetUse(database);
  } finally {
    database.close();
  }
}

/** From now on it is complete without a log. */
export function forgetUse(database: DatabaseSync): void {
  database.prepare('DELETE FROM meta WHERE key = ?').run(IN_USE);
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
function configure(database: DatabaseSync, cacheBytes = DEFAULT_CACHE_BYTES): void {
  database.exec('PRAGMA locking_mode = EXCLUSIVE');
  database.exec(`PRAGMA page_size = ${PAGE_BYTES}`);
  database.exec('PRAGMA journal_mode = WAL');
  database.exec('PRAGMA synchronous = FULL');
  database.exec(`PRAGMA cache_size = -${Math.ceil(cacheBytes / 1024)}`);
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

/** What a database says of itself, where that is a number. */
export function numberOf(
  database: DatabaseSync,
  pragma: 'application_id' | 'user_version' | 'page_size' | 'page_count' | 'freelist_count',
): number {
  return Number(database.prepare(`PRAGMA ${pragma}`).get()?.[pragma]);
}

/** Looked up, not imported: where it is missing, an import fails before anything can say so. */
export function openFile(...how: ConstructorParameters<typeof DatabaseSync>): DatabaseSync {
  const sqlite = process.getBuiltinModule?.('node:sqlite');
  if (sqlite !== undefined) return new sqlite.DatabaseSync(...how);
  throw new HubStoreError('STORE_FAILED', {
    detail: 'this runtime has no node:sqlite; Node 22.13 has it',
  });
}
