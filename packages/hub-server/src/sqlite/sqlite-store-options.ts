/**
 * What a SQLite store can be told when it is opened. Owns the options and their defaults' meaning;
 * `sqlite-hub-store` follows them.
 */
import type { RandomSource } from '@agentmesh/protocol';
import type { Failpoint } from './failpoint.js';
import type { HubStoreError } from './store-error.js';

/** How to open a store. Only `folder` has no default. */
export interface SqliteHubStoreOptions {
  /** Holds `hub.db` and its log; made if missing, for its owner only: the hub's seed is there. */
  readonly folder: string;
  /** Sending is refused at 90 % of it; without it only the file system is the bound. */
  readonly quotaBytes?: number | undefined;
  /**
   * Opens a database that was copied without its log, without what was in the log: perhaps as a
   * hub with another key. Default: refused with STORE_INCOMPLETE.
   */
  readonly acceptLostLog?: boolean | undefined;
  /** Envelope ids whose index is kept in memory, 16 to 32 bytes each; older ones are on disk. */
  readonly memoryIds?: number | undefined;
  /** Of the database, kept in memory. Default: 64 MiB. */
  readonly cacheBytes?: number | undefined;
  /** Told how long each commit took, its fsync included. */
  readonly onCommitTime?: ((milliseconds: number) => void) | undefined;
  /** The store can no longer be used; every call is refused from now on. */
  readonly onFatal?: ((error: HubStoreError) => void) | undefined;
  /** Milliseconds that never go back, for `onCommitTime`. Default: the machine's. */
  readonly monotonic?: (() => number) | undefined;
  /** Default: the machine's. */
  readonly random?: RandomSource | undefined;
  /** For crash tests. */
  readonly failpoint?: Failpoint | undefined;
}
