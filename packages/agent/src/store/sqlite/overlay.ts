/**
 * Rows whose place is the journal, in memory over the table: a deleted one hides the table's. Owns
 * how both are read as one, and which rows go on in the next journal; nothing here is on the disk
 * by itself.
 */
import type { StoreRange, StoreRow } from '../store.js';

/** The state that rows shall have; null deletes. */
export type RowChanges = ReadonlyMap<string, Uint8Array | null>;

/** A row below, opened only by whoever wants its value. */
export interface LowerRow {
  readonly key: string;
  value(): Uint8Array;
}

/** Reads of the rows below. */
export interface RowSource {
  get(key: string): Uint8Array | null;
  /** In the order of the range, as many as are asked for one by one. */
  scan(range: Omit<StoreRange, 'limit'>): Iterable<LowerRow>;
}

/** What becomes of the changes when the journal's cycle ends. */
export interface Parted {
  /** For the table; rows that go on in the journal are deleted there. */
  readonly table: RowChanges;
  /** Written in this cycle and still alive: most of these are gone before the next one ends. */
  readonly journal: RowChanges;
}

/** Keys without a row that are remembered. */
const MOST_ABSENT = 1_000;
/** Rows that go on in the journal are at most so many bytes. */
const MOST_CARRIED_BYTES = 256 * 1024;

/** Changes over a table. */
export class Overlay {
  /** By the first part of the key, so that a range meets only its own kind of row. */
  readonly #kinds = new Map<string, Map<string, Uint8Array | null>>();
  /** Rows that were written in an earlier cycle, as they were then. */
  #carried: RowChanges = new Map();
  /** Keys that the rows below do not have, as they are until the cycle ends. */
  readonly #absent = new Set<string>();

  add(changes: RowChanges): void {
    for (const [key, value] of changes) this.#kindOf(key).set(key, value);
  }

  /** How it is parted now. Without `carry` everything is for the table. */
  part({ carry }: { readonly carry: boolean }): Parted {
    const table = new Map<string, Uint8Array | null>();
    const journal = new Map<string, Uint8Array | null>();
    let bytes = 0;
    for (const kind of this.#kinds.values()) {
      for (const [key, value] of kind) {
        const isYoung = value !== null && this.#carried.get(key) !== value;
        if (carry && isYoung && bytes + value.length <= MOST_CARRIED_BYTES) {
          bytes += value.length;
          journal.set(key, value);
          // What it was before leaves the table as early as what it is now would have replaced it.
          table.set(key, null);
        } else table.set(key, value);
      }
    }
    return { table, journal };
  }

  /** The cycle has ended: only these are left. */
  replace(carried: RowChanges): void {
    this.#kinds.clear();
    this.#carried = carried;
    this.#absent.clear();
    this.add(carried);
  }

  get(key: string, below: RowSource): Uint8Array | null {
    const changed = this.#changed(key);
    if (changed !== undefined) return changed;
    // Each message of a peer asks for the same few rows that are not there.
    if (this.#absent.has(key)) return null;
    const row = below.get(key);
    if (row === null && this.#absent.size < MOST_ABSENT) this.#absent.add(key);
    return row;
  }

  range({ limit, ...range }: StoreRange, below: RowSource): readonly StoreRow[] {
    const rows: StoreRow[] = [];
    if (limit <= 0) return rows;
    const changed = this.#aliveIn(range);
    const isBefore = (a: string, b: string): boolean => (range.reverse === true ? a > b : a < b);
    let at = 0;
    /** Changed rows that come before this one; false once there are enough. */
    const takeUntil = (key: string | null): boolean => {
      for (let next = changed[at]; next !== undefined; next = changed[++at]) {
        if (key !== null && !isBefore(next[0], key)) return true;
        rows.push({ key: next[0], value: next[1] });
        if (rows.length >= limit) return false;
      }
      return true;
    };
    for (const row of below.scan(range)) {
      if (!takeUntil(row.key)) return rows;
      if (this.#changed(row.key) === undefined) rows.push({ key: row.key, value: row.value() });
      if (rows.length >= limit) return rows;
    }
    takeUntil(null);
    return rows;
  }

  #aliveIn({ from, to, reverse = false }: Omit<StoreRange, 'limit'>) {
    const found: [string, Uint8Array][] = [];
    const kind = partOf(from);
    // '0' is the character after '/'.
    const isOneKind = kind !== from && to <= `${kind}0`;
    const kinds = isOneKind ? [this.#kinds.get(kind)] : this.#kinds.values();
    for (const changes of kinds) {
      for (const [key, value] of changes ?? []) {
        if (value !== null && key >= from && key < to) found.push([key, value]);
      }
    }
    return found.toSorted(([a], [b]) => (a < b === reverse ? 1 : -1));
  }

  /** Undefined: as it is below. */
  #changed(key: string): Uint8Array | null | undefined {
    return this.#kinds.get(partOf(key))?.get(key);
  }

  #kindOf(key: string): Map<string, Uint8Array | null> {
    const part = partOf(key);
    const known = this.#kinds.get(part);
    if (known !== undefined) return known;
    const kind = new Map<string, Uint8Array | null>();
    this.#kinds.set(part, kind);
    return kind;
  }
}

/** Of a key, what comes before its first slash. */
function partOf(key: string): string {
  const at = key.indexOf('/');
  return at < 0 ? key : key.slice(0, at);
}
