/**
 * The table of rows in an open database: each value sealed in its place. Owns its statements; does
 * not own when transactions happen, nor what follows from a failure.
 */
import type { DatabaseSync } from 'node:sqlite';
import { StorageError } from '../../ground/errors.js';
import type { StoreRange, StoreRow } from '../store.js';
import type { RowChanges, RowSource } from './overlay.js';
import type { RowSealer } from './row-sealer.js';

/** Reads and changes of one table. */
export class RowTable implements RowSource {
  readonly #sealer: RowSealer;
  readonly #path: string;
  readonly #statements: ReturnType<typeof prepare>;

  /** `path` is for its errors. */
  constructor(database: DatabaseSync, sealer: RowSealer, path: string) {
    this.#sealer = sealer;
    this.#path = path;
    this.#statements = prepare(database);
  }

  get(key: string): Uint8Array | null {
    const row = this.#statements.get.get(key);
    return row === undefined ? null : this.#open(key, row['value']);
  }

  *scan({ from, to, reverse = false }: Omit<StoreRange, 'limit'>): Iterable<StoreRow> {
    const statement = reverse ? this.#statements.descending : this.#statements.ascending;
    for (const { key, value } of statement.iterate(from, to)) {
      yield { key: String(key), value: this.#open(key, value) };
    }
  }

  /** Within the caller's transaction. */
  apply(changes: RowChanges): void {
    for (const [key, value] of changes) {
      if (value === null) this.#statements.delete.run(key);
      else this.#statements.put.run(key, this.#sealer.seal('row', key, value));
    }
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
