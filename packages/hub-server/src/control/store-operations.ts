/**
 * What an operator asks of a store beyond what a hub needs of it. Owns the contract; the SQLite
 * store has all of it, the one in NATS leaves out what NATS itself is better at.
 */
import type { NameQuery } from '@agentmesh/hub-local';

/** A store's knowledge for its operator. Nothing here is read or changed by agents. */
export interface StoreOperations {
  /** Every name that somebody holds, in the order of `HubStore.names`, listed or not. */
  registered(query: NameQuery): Promise<readonly RegisteredName[]>;

  /** Queues that hold something, the longest first, at most `max`. */
  longestQueues(max: number): Promise<readonly QueueSummary[]>;

  /** Who holds how much of one queue, the largest part first, at most `max`. */
  queueParts(recipient: Uint8Array, max: number): Promise<readonly QueuePart[]>;

  /** What is known of an identity that holds, or held, a name; null for a stranger. */
  agent(aid: Uint8Array): Promise<StoredAgent | null>;

  /**
   * Makes a name free for another identity: its holder is forgotten with its prekeys, except for a
   * revocation, which is kept for ever. Null if nobody holds the name. Absent where the store
   * cannot do it.
   */
  freeName?(name: string): Promise<Uint8Array | null>;

  /**
   * Writes a copy of the whole store, as it was at one moment, into a file that must not exist.
   * Resolves with its size when it is on the disk. Absent where the store has a way of its own.
   */
  backup?(file: string): Promise<number>;
}

/** A name that somebody holds. */
export interface RegisteredName {
  readonly name: string;
  /** Whether agents see it in lists: its holder can be written to. */
  readonly listed: boolean;
}

/** One queue. */
export interface QueueSummary {
  readonly recipient: Uint8Array;
  /** Null for a recipient that holds no name any more. */
  readonly name: string | null;
  readonly messages: number;
  /** Null where counting them would mean reading the queue. */
  readonly bytes: number | null;
}

/** What one sender holds of a queue. */
export interface QueuePart {
  readonly sender: Uint8Array;
  readonly name: string | null;
  readonly messages: number;
  readonly bytes: number;
}

/** One identity. */
export interface StoredAgent {
  readonly name: string;
  /** When a successor took the name; null while it is this identity's own. */
  readonly retiredMs: number | null;
  readonly revoked: boolean;
  /** When it last connected; null where that is not recorded. */
  readonly seenMs: number | null;
}
