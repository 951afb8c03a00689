/**
 * `HubStore`: what a hub needs of a database, and the only thing that knows one (hub.md §4).
 * Owns the contract: what is atomic, what is durable, what each answer means. Does not own rules
 * about connections, rates or frames (`hub-core`), nor any implementation (`memory-hub-store`).
 */
import type { HubDirectoryStore } from './directory-store.js';
import type { StoreTimelines } from '@agentmesh/protocol';
import type { HubNeighbours } from './neighbours.js';

/**
 * One hub's durable state: directory, prekeys, queues, notices and the hub's own key. For every
 * method:
 * - A write has happened, whole and durably, when its promise resolves: it survives `kill -9` and
 *   power loss. A rejection means that nothing was changed; the hub then answers `STORAGE`.
 * - Each call is atomic with respect to every other call, also of other hub processes that share
 *   the store. Calls take effect in any order unless the caller awaited the earlier one.
 * - A store may hold a write back for a few milliseconds to share one commit with others.
 * - Nothing is verified here: signatures, ownership and expiry are judged before the call.
 * - Byte values are shared, not copied: neither side changes what it gave or was given.
 * - Results are bounded by the arguments: no method holds a whole queue in memory.
 */
export interface HubStore extends HubDirectoryStore, HubQueueStore {
  /** The way to the other hubs over this store; absent where there can be only one. */
  readonly neighbours?: HubNeighbours | undefined;

  /**
   * The hub's own 32-byte Ed25519 seed. The first call ever stores what `create` gives; every later
   * call, from any process, returns those same bytes.
   */
  hubSeed(create: () => Uint8Array): Promise<Uint8Array>;

  /**
   * Which store this is, and its timeline: a new one, drawn at random, from each opening on. Those
   * before it stay in the list only while each opening followed an orderly end: what is restored
   * from a backup goes on in a timeline that nobody knows from before.
   */
  history(): Promise<StoreTimelines>;

  /** Whether new envelopes are refused for want of room; absent where that is never known. */
  readonly isFull?: boolean | undefined;

  /** What the store holds now; may be a few seconds old in a distributed store. */
  counts(): Promise<StoreCounts>;

  /** Completes what was begun and lets go of the database. No call may follow. */
  close(): Promise<void>;
}

/** Envelopes waiting for their recipients, and notices waiting for senders. */
export interface HubQueueStore {
  /**
   * The group commit: everything of one turn of the hub's loop. First acknowledgements, reschedules
   * and dead letters, then appends in their order. Changes of envelopes that are gone are ignored.
   *
   * Appends are judged one by one, in this order: same (from, id) seen within its deduplication
   * time: `duplicate` with the first `seq` if `to` and `blob` are equal, else `conflict`; recipient
   * revoked: `revoked`; no such agent, or retired for longer than `retiredMs`: `unknown_recipient`;
   * queue or sender's share of it full: `queue_full`; cannot be written while the rest can:
   * `storage`; else `stored`.
   * `seq` rises strictly per recipient and is never used twice, also not after an acknowledgement.
   *
   * A dead-lettered envelope leaves its queue and a notice for its sender is written with it.
   */
  commit(changes: QueueChanges): Promise<CommitResult>;

  /**
   * Envelopes of one queue with `seq` above `after`, ascending, not expired at `nowMs`. Stops
   * before the entry that would exceed `messages` or `bytes`, but gives one entry if there is one.
   * Entries whose `notBeforeMs` lies ahead come without their content and count as no bytes.
   */
  read(query: QueueQuery): Promise<QueuePage>;

  /** The same envelopes, of whom each is and how large: what a fair order is made from. */
  outline(query: OutlineQuery): Promise<QueueOutline>;

  /**
   * Those of `seqs` that are still in the queue and not expired at `nowMs`, ascending; as `read`
   * gives them. However many bytes that is: the caller knows from `outline`.
   */
  fetch(query: FetchQuery): Promise<readonly QueueEntry[]>;

  /** Envelopes in one queue, in flight or not. */
  queued(recipient: Uint8Array): Promise<number>;

  /**
   * Removes up to `max` envelopes whose time is over at `nowMs`, writing a notice for each sender
   * in the same transaction, and forgets as many ids and notices whose own time is over.
   */
  expire(request: ExpireRequest): Promise<ExpireResult>;

  /** Notices for a sender with `seq` above `after`, ascending, at most `max`. */
  notices(query: NoticeQuery): Promise<readonly StoredNotice[]>;

  /** Forgets a sender's notices up to and including `upTo`. */
  dropNotices(drop: { readonly sender: Uint8Array; readonly upTo: number }): Promise<void>;
}

export interface StoreCounts {
  readonly agents: number;
  readonly envelopes: number;
  /** Sum of the blobs' lengths. */
  readonly bytes: number;
  /** Envelopes dead-lettered since the store exists. */
  readonly deadLettered: number;
}

/** What one turn of the loop changes in the queues. */
export interface QueueChanges {
  readonly nowMs: number;
  readonly acknowledge: readonly QueueAcknowledgement[];
  readonly reschedule: readonly QueueReschedule[];
  readonly deadLetter: readonly QueueReference[];
  readonly append: readonly NewEnvelope[];
  readonly quota: QueueQuota;
}

export interface QueueReference {
  readonly recipient: Uint8Array;
  readonly seq: number;
}

export interface QueueAcknowledgement {
  readonly recipient: Uint8Array;
  readonly seqs: readonly number[];
}

export interface QueueReschedule extends QueueReference {
  /** Number of the next delivery. */
  readonly attempt: number;
  readonly notBeforeMs: number;
}

/** Stands for an envelope, and keeps nothing of it alive. */
export type OrderTicket = object;

/** An envelope to be stored; its first delivery is attempt 1, due at once. */
export interface NewEnvelope {
  /** 16 bytes chosen by the sender. */
  readonly id: Uint8Array;
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  readonly tsMs: number;
  readonly expiresMs: number;
  /** Until when (from, id) is remembered; not before `expiresMs`. */
  readonly rememberUntilMs: number;
  readonly blob: Uint8Array;
  /**
   * This envelope's ticket, and that of the one that has to come before it. If the same commit has
   * no room for that one, this one gets the same answer; in any other case tickets are no matter.
   */
  readonly ticket?: OrderTicket | undefined;
  readonly after?: OrderTicket | undefined;
}

/**
 * Bounds of one recipient's queue. A sender alone may fill `senderMessages` and `senderBytes` of
 * it; how several share it, and what strangers get, is `hasQueueRoom`.
 */
export interface QueueQuota {
  readonly messages: number;
  readonly bytes: number;
  readonly senderMessages: number;
  readonly senderBytes: number;
  /** Whether senders share what is free; by default only the fixed bounds hold. */
  readonly isShared?: boolean | undefined;
  readonly retiredMs: number;
}

/** One entry per append, in their order. */
export type AppendOutcome =
  | {
      readonly status: 'stored';
      readonly seq: number;
      /**
       * `seq` of the envelope stored just before in this queue (0 for none): a hub whose recipient
       * has had everything up to there may push from memory. Null if the store cannot tell.
       */
      readonly follows: number | null;
    }
  | { readonly status: 'duplicate'; readonly seq: number }
  | { readonly status: 'conflict' | 'revoked' | 'unknown_recipient' | 'queue_full' | 'storage' };

export interface CommitResult {
  readonly appended: readonly AppendOutcome[];
  /** Senders for whom a notice was written, each once. */
  readonly notified: readonly Uint8Array[];
}

export interface QueueQuery {
  readonly recipient: Uint8Array;
  readonly after: number;
  readonly messages: number;
  readonly bytes: number;
  readonly nowMs: number;
}

export interface QueuePage {
  readonly entries: readonly QueueEntry[];
  /** Whether the queue holds nothing after these entries. */
  readonly end: boolean;
}

export type OutlineQuery = Pick<QueueQuery, 'recipient' | 'after' | 'messages' | 'nowMs'>;

export interface QueueOutline {
  readonly entries: readonly OutlinedEnvelope[];
  /** Whether the queue holds nothing after these entries. */
  readonly end: boolean;
}

/** An envelope without its content. */
export interface OutlinedEnvelope {
  readonly seq: number;
  readonly from: Uint8Array;
  /** Length of its blob. */
  readonly bytes: number;
}

export interface FetchQuery {
  readonly recipient: Uint8Array;
  readonly seqs: readonly number[];
  readonly nowMs: number;
}

export type QueueEntry = DueEnvelope | DelayedEnvelope;

export interface DueEnvelope {
  readonly due: true;
  readonly seq: number;
  readonly attempt: number;
  readonly id: Uint8Array;
  readonly from: Uint8Array;
  readonly tsMs: number;
  readonly expiresMs: number;
  readonly blob: Uint8Array;
}

export interface DelayedEnvelope {
  readonly due: false;
  readonly seq: number;
  readonly notBeforeMs: number;
}

export interface ExpireRequest {
  readonly nowMs: number;
  readonly max: number;
  /** How long a notice is kept for a sender who does not come. */
  readonly keepNoticesMs: number;
  /** How long a transient identity that has left is still kept; by default for ever. */
  readonly transientMs?: number | undefined;
  /**
   * Whether an agent is connected now. A store that is given this may forget identities that never
   * sent or received anything and have not been seen for days, and prekeys that have run out.
   */
  readonly isConnected?: ((aid: Uint8Array) => boolean) | undefined;
}

export interface ExpireResult {
  /** Senders for whom a notice was written, each once. */
  readonly notified: readonly Uint8Array[];
  /** Whether more is due already. */
  readonly more: boolean;
  /** Transient identities that are kept no more; their queues are the hub's to empty. */
  readonly forgotten: readonly Uint8Array[];
}

export interface NoticeQuery {
  readonly sender: Uint8Array;
  readonly after: number;
  readonly max: number;
}

/** Tells a sender that an accepted envelope was not delivered. */
export interface StoredNotice {
  /** Rises strictly per sender. */
  readonly seq: number;
  readonly id: Uint8Array;
  readonly what: 'expired' | 'dead_lettered';
}
