/**
 * `AgentStore`: all that an agent needs of a database (protocol.md §2.11). Owns the contract; rows,
 * their keys and their meaning are the agent's, encryption at rest is the store's.
 */

/** One write of a transaction. */
export type StoreOperation =
  { readonly put: string; readonly value: Uint8Array } | { readonly delete: string };

/** A row found by a range read. */
export interface StoreRow {
  readonly key: string;
  readonly value: Uint8Array;
}

/** Rows with `from` ≤ key < `to`, ascending by code unit, at most `limit`. */
export interface StoreRange {
  readonly from: string;
  readonly to: string;
  readonly limit: number;
  /** Descending instead: the last rows of the range. */
  readonly reverse?: boolean | undefined;
}

/**
 * One agent's durable rows. Keys are ASCII texts of at most 200 characters, values at most a few
 * megabytes; they hold secrets, so a store on a disk encrypts them.
 *
 * - `commit` is atomic, and durable when it resolves: it survives `kill -9` and power loss. When it
 *   rejects, nothing of it may show up later. Commits take effect in the order of the calls; a
 * store
 *   may let several share one write to the disk.
 * - Reads see every commit that was called before them and has resolved.
 * - Byte values are shared, not copied: neither side changes what it gave or was given.
 */
export interface AgentStore {
  /** Where it is, absolute, if it is a file. */
  readonly path?: string | undefined;
  /** Takes the store for one agent; rejects with STORE_LOCKED while another has it. */
  open(): Promise<void>;
  /** The value, or null if there is no such row. */
  get(key: string): Promise<Uint8Array | null>;
  range(range: StoreRange): Promise<readonly StoreRow[]>;
  commit(operations: readonly StoreOperation[]): Promise<void>;
  /** Completes what was begun and lets go of the store, which may be opened again. */
  close(): Promise<void>;
}
