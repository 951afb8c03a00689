/**
 * The table of rows in an open database: each value sealed in its place. Owns its statements; does
 * not own when transactions happen, nor what follows from a failure.
 */
import type { DatabaseSync } from 'node:sqlite';
import { StorageError } from '../../ground/errors.js';
import type { StoreRange } from '../store.js';
import type { LowerRow, RowChanges, RowSource } from './overlay.js';
import type { RowSealer } from './row-sealer.js';

/** Rows that were read last are kept open: at most so many, and none that is longer. */
const KEPT_ROWS = 64;
const LONGEST_KEPT_BYTES = 4_096;

/** Reads and changes of one table. */
export class RowTable implements RowSource {
  readonly #sealer: RowSealer;
  readonly #path: string;
  readonly #statements: ReturnType<typeof prepare>;
  /** By key, the one read first before the others. */
  readonly #kept = new Map<string, Uint8Array>();

  /** `path` is for its errors. */
  constructor(database: DatabaseSync, sealer: RowSealer, path: string) {
    this.#sealer = sealer;
    this.#path = path;
    this.#statements = prepare(database);
  }

  get(key: string): Uint8Array | null {
    const kept = this.#kept.get(key);
    if (kept !== undefined) return kept;
    const row = this.#statements.get.get(key);
    if (row === undefined) return null;
    const value = this.#open(key, row['value']);
    this.#keep(key, value);
    return value;
  }

  *scan({ from, to, reverse = false }: Omit<StoreRange, 'limit'>): Iterable<LowerRow> {
    const statement = reverse ? this.#statements.descending : this.#statements.ascending;
    for (const { key, value } of statement.iterate(from, to)) {
      yield { key: String(key), value: () => this.#open(key, value) };
    }
  }

  /** Within the caller's transaction. */
  apply(changes: RowChanges): void {
    for (const [key, value] of changes) {
      this.#kept.delete(key);
      if (value === null) this.#statements.delete.run(key);
      else this.#statements.put.run(key, this.#sealer.seal('row', key, value));
    }
  }

  #keep(key: string, value: Uint8Array): void {
    if (value.length > LONGEST_KEPT_BYTES) return;
    this.#kept.set(key, value);
    const [oldest] = this.#kept.size > KEPT_ROWS ? this.#kept.keys() : [];
    if (oldest !== undefined) this.#kept.delete(oldest);
  }

  #open(key: unknown, sealed: unknown): Uint8Array {
    const value = this.#sealer.open('row', key, sealed);
    if (value === null) throw new StorageError('STORE_CORRUPT', `${this.#path}: ${String(key)}`);
    return value;
  }
}

function prepare(database: DatabaseSync) {
  const range = 'SELECT key, value FROM row WHERE key >= ? AND key < ? ORDER BY key';
  return {
    get: database.prepare('SELECT value FROM row WHERE key = ?'),
    ascending: database.prepare(range),
    descending: database.prepare(`${range} DESC`),
    put: database.prepare(
      'INSERT INTO row VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    ),
    delete: database.prepare('DELETE FROM row WHERE key = ?'),
  };
}
