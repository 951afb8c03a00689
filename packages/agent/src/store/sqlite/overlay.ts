/**
 * Rows that were changed since the journal was merged last, in memory over the table: a deleted one
 * hides the table's. Owns how both are read as one; nothing here is on the disk by itself.
 */
import type { StoreRange, StoreRow } from '../store.js';

/** The state that rows shall have; null deletes. */
export type RowChanges = ReadonlyMap<string, Uint8Array | null>;

/** Reads of the rows below. */
export interface RowSource {
  get(key: string): Uint8Array | null;
  /** In the order of the range, as many as are asked for one by one. */
  scan(range: Omit<StoreRange, 'limit'>): Iterable<StoreRow>;
}

/** Changes over a table. */
export class Overlay {
  readonly #changes = new Map<string, Uint8Array | null>();

  get changes(): RowChanges {
    return this.#changes;
  }

  add(changes: RowChanges): void {
    for (const [key, value] of changes) this.#changes.set(key, value);
  }

  /** All of it is in the table now. */
  clear(): void {
    this.#changes.clear();
  }

  get(key: string, below: RowSource): Uint8Array | null {
    const changed = this.#changes.get(key);
    return changed === undefined ? below.get(key) : changed;
  }

  range({ limit, ...range }: StoreRange, below: RowSource): readonly StoreRow[] {
    const rows: StoreRow[] = [];
    if (limit <= 0) return rows;
    const changed = this.#changedIn(range);
    const isBefore = (a: string, b: string): boolean => (range.reverse === true ? a > b : a < b);
    let at = 0;
    /** Changed rows that come before this one; false once there are enough. */
    const takeUntil = (key: string | null): boolean => {
      for (let next = changed[at]; next !== undefined; next = changed[++at]) {
        if (key !== null && !isBefore(next[0], key)) return true;
        if (next[1] !== null) rows.push({ key: next[0], value: next[1] });
        if (rows.length >= limit) return false;
      }
      return true;
    };
    for (const row of below.scan(range)) {
      if (!takeUntil(row.key)) return rows;
      if (!this.#changes.has(row.key)) rows.push(row);
      if (rows.length >= limit) return rows;
    }
    takeUntil(null);
    return rows;
  }

  #changedIn({ from, to, reverse = false }: Omit<StoreRange, 'limit'>) {
    const found: [string, Uint8Array | null][] = [];
    for (const change of this.#changes) {
      if (change[0] >= from && change[0] < to) found.push(change);
    }
    return found.toSorted(([a], [b]) => (a < b === reverse ? 1 : -1));
  }
}
