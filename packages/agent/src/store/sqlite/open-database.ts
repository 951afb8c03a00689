/**
 * From a path to an open database that is ours alone, undamaged, current and readable with our key.
 * Owns file modes, SQLite's lock, the check for damage and migrations. Until all is known to be in
 * order it only reads: a file that is refused keeps every byte.
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
  rmSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { RandomSource } from '@agentmesh/crypto';
import { StorageError } from '../../ground/errors.js';
import { Journal, newCycle } from './journal.js';
import { logOf } from './open-files.js';
import type { RowSealer } from './row-sealer.js';
import { APPLICATION_ID, JOURNAL_VERSION, MIGRATIONS, PAGE_BYTES } from './schema.js';
import { storageErrorOf } from './storage-failure.js';

/** A file up to this size is checked whole, some tenths of a second; rows vouch for themselves. */
const FULL_CHECK_BYTES = 256 * 1024 * 1024;
/** A shorter file looks empty to SQLite, and would be overwritten. */
const SMALLEST_PAGE = 512;
const PRIVATE_FILE = 0o600;
const PRIVATE_FOLDER = 0o700;
const NO_VALUE = new Uint8Array();

/** Opens a prepared file's database; every refusal is a `StorageError`. */
export function openDatabase(path: string, sealer: RowSealer, random: RandomSource): DatabaseSync {
  try {
    inspect(path, sealer, random);
    return openChecked(path, sealer, random);
  } catch (thrown) {
    throw storageErrorOf(thrown, path);
  }
}

/** Makes the file if it is missing, and private if it is not. */
export function prepareFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: PRIVATE_FOLDER });
  if (!existsSync(path)) createFile(path);
  // Asked, not opened: closing a second descriptor would drop this process's locks on the file.
  accessSync(path, constants.R_OK | constants.W_OK);
  const stats = statSync(path);
  if (!stats.isFile()) throw new StorageError('STORE_FAILED', `${path}: not a file`);
  if ((stats.mode & 0o077) !== 0) chmodSync(path, PRIVATE_FILE);
}

/** SQLite gives the log and the index of the log the mode of the database. */
function createFile(path: string): void {
  closeSync(openSync(path, 'a', PRIVATE_FILE));
  // A new file's name is durable only with its folder; Windows cannot do this and need not.
  if (process.platform === 'win32') return;
  const folder = openSync(dirname(path), 'r');
  fsyncSync(folder);
  closeSync(folder);
}

/** Reads through a connection that cannot write, so that the log is left as it is too. */
function inspect(path: string, sealer: RowSealer, random: RandomSource): void {
  if (isEmpty(path)) return;
  if (statSync(path).size < SMALLEST_PAGE) throw new StorageError('STORE_CORRUPT', path);
  const database = openFile(path, { readOnly: true });
  try {
    refuseForeign(database, path);
    if (numberOf(database, 'user_version') > 0) confirmKey(database, sealer, path);
    refuseDamaged(database, path);
    if (numberOf(database, 'user_version') >= JOURNAL_VERSION) {
      for (const batch of new Journal(database, { sealer, random, path }).batches()) void batch;
    }
  } finally {
    database.close();
  }
}

/** Nothing was ever written: neither in the file nor in a log beside it. */
function isEmpty(path: string): boolean {
  const log = statSync(logOf(path), { throwIfNoEntry: false });
  return statSync(path).size === 0 && (log === undefined || log.size === 0);
}

/** Either ours, of a version that is known here, or a file that never got its first tables. */
function refuseForeign(database: DatabaseSync, path: string): void {
  const application = numberOf(database, 'application_id');
  const version = numberOf(database, 'user_version');
  const hasTables = database.prepare('SELECT 1 FROM sqlite_schema').get() !== undefined;
  const isBegun = application === 0 && version === 0 && !hasTables;
  const isOurs = application === APPLICATION_ID && version > 0 && hasTables;
  if (!isBegun && !isOurs) {
    throw new StorageError('STORE_CORRUPT', `${path}: not the store of an agent`);
  }
  if (version > MIGRATIONS.length) {
    const detail = `${path}: version ${version}, known here: ${MIGRATIONS.length}`;
    throw new StorageError('STORE_VERSION', detail);
  }
}

/** The row `key` opens with the right key. If not: is the key another, or the row damaged? */
function confirmKey(database: DatabaseSync, sealer: RowSealer, path: string): void {
  const rows = database.prepare('SELECT key, value FROM row LIMIT 8');
  const sealed = database.prepare(`SELECT value FROM meta WHERE key = 'key'`).get();
  if (sealer.open('meta', 'key', sealed?.['value']) !== null) return;
  for (const { key, value } of rows.iterate()) {
    if (sealer.open('row', key, value) !== null) throw new StorageError('STORE_CORRUPT', path);
  }
  throw new StorageError('STORE_MISMATCH', `${path}: encrypted under another key`);
}

function refuseDamaged(database: DatabaseSync, path: string): void {
  const isSmall = statSync(path).size <= FULL_CHECK_BYTES;
  const check = database.prepare(`PRAGMA integrity_check(${isSmall ? '1' : 'meta'})`).get();
  const found = check?.['integrity_check'];
  if (found !== 'ok') throw new StorageError('STORE_CORRUPT', `${path}: ${String(found)}`);
}

function openChecked(path: string, sealer: RowSealer, random: RandomSource): DatabaseSync {
  const database = openFile(path, { enableForeignKeyConstraints: false });
  try {
    configure(database);
    // The inspection's index of the log: under the lock nobody uses it any more.
    rmSync(`${path}-shm`, { force: true });
    migrate(database, sealer, random);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * The lock is taken with the first reading and ends with the process, however that ends. `FULL`: a
 * commit returns after the log is on the disk, until `log-sync` sees to that. `secure_delete`:
 * freed space is zeroed. Checkpoints are the store's.
 */
function configure(database: DatabaseSync): void {
  database.exec(`PRAGMA page_size = ${PAGE_BYTES}`);
  database.exec('PRAGMA locking_mode = EXCLUSIVE');
  database.exec('PRAGMA journal_mode = WAL');
  database.exec('PRAGMA synchronous = FULL');
  database.exec('PRAGMA secure_delete = ON');
  database.exec('PRAGMA wal_autocheckpoint = 0');
  database.exec('PRAGMA cell_size_check = ON');
  database.exec('PRAGMA temp_store = MEMORY');
  database.exec('PRAGMA trusted_schema = OFF');
  database.exec('BEGIN IMMEDIATE; COMMIT');
}

/** All missing steps in one transaction: a file is of the old version or of the new one. */
function migrate(database: DatabaseSync, sealer: RowSealer, random: RandomSource): void {
  const version = numberOf(database, 'user_version');
  if (version === MIGRATIONS.length) return;
  database.exec('BEGIN IMMEDIATE');
  for (const step of MIGRATIONS.slice(version)) database.exec(step);
  const insert = database.prepare('INSERT INTO meta VALUES (?, ?)');
  if (version === 0) insert.run('key', sealer.seal('meta', 'key', NO_VALUE));
  if (version < JOURNAL_VERSION) {
    insert.run('journal', sealer.seal('meta', 'journal', newCycle(random)));
  }
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
  database.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
  database.exec('COMMIT');
}

function numberOf(database: DatabaseSync, pragma: 'application_id' | 'user_version'): number {
  return Number(database.prepare(`PRAGMA ${pragma}`).get()?.[pragma]);
}

/** Looked up, not imported: where it is missing, an import fails before anything can say so. */
function openFile(...how: ConstructorParameters<typeof DatabaseSync>): DatabaseSync {
  const sqlite = process.getBuiltinModule?.('node:sqlite');
  if (sqlite !== undefined) return new sqlite.DatabaseSync(...how);
  throw new StorageError('STORE_FAILED', 'this runtime has no node:sqlite; Node 22.13 has it');
}
