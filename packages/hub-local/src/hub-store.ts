/**
 * `HubStore`: what a hub needs of a database, and the only thing that knows one (hub.md §4).
 * Owns the contract: what is atomic, what is durable, what each answer means. Does not own rules
 * about connections, rates or frames (`hub-core`), nor any implementation (`memory-hub-store`).
 */

import type { AgentSpending, HubNeighbours } from './neighbours.js';

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

  /** Whether new envelopes are refused for want of room; absent where that is never known. */
  readonly isFull?: boolean | undefined;

  /** What the store holds now; may be a few seconds old in a distributed store. */
  counts(): Promise<StoreCounts>;

  /** Completes what was begun and lets go of the database. No call may follow. */
  close(): Promise<void>;
}

/** Names, identity records and prekeys. */
export interface HubDirectoryStore {
  /**
   * Compare-and-set of a name, and the record of the agent's store opening, in one transaction.
   * A free name is bound to the identity if `mayRegister`; a bound one is only compared. On `ok`
   * the new opening replaces the previous one, which is returned.
   */
  claim(claim: NameClaim): Promise<ClaimResult>;

  /** The aid that holds a name now; null when nobody does. */
  aidOfName(name: string): Promise<Uint8Array | null>;

  /**
   * Replaces the identity record of `owner`, who must hold the record's name. `stale`: a higher
   * revision, or other bytes of the same revision, are stored already. A record of another identity
   * (its successor, already verified) moves the name to that identity in the same transaction and
   * retires the owner at `nowMs`; it is `not_owner` if the successor holds a name already. The very
   * same succession once more is `stored` and changes nothing: who did not hear the answer asks
   * again. A revoked identity publishes nothing and names nobody.
   */
  putIdentity(update: IdentityUpdate): Promise<PutIdentityResult>;

  /**
   * Makes an identity void for ever: the first revocation is kept, a later one changes nothing and
   * is `stored` too. Its name stays bound to it. `unknown` when it never held a name.
   */
  putRevocation(update: RevocationUpdate): Promise<'stored' | 'unknown'>;

  /**
   * Adds prekeys, or replaces all of them. Of the signed ones the `keepSigned` newest by
   * `createdMs` stay. All or nothing: `limit` when more than `maxOneTime` one-time keys would be
   * held, `conflict` when an id is held with other bytes (of the same kind of prekey), `revoked`.
   * Adding what is there already is `ok`.
   */
  putPrekeys(update: PrekeyUpdate): Promise<PutPrekeysResult>;

  /** The prekeys that are held for an agent; empty for an unknown one. */
  keys(aid: Uint8Array): Promise<KeyInventory>;

  /**
   * Identity record and newest signed prekey; null without a record. With `oneTime` and a signed
   * prekey also one one-time prekey not expired at `nowMs` (lowest id first), **removed in the same
   * transaction**: no one-time prekey is ever handed out twice. Expired ones met on the way are
   * removed. An identity that is revoked or succeeded has no prekeys here; its record stays.
   */
  takeBundle(request: BundleRequest): Promise<StoredBundle | null>;

  /**
   * Names beginning with `prefix`, after `after`, ascending by code unit, at most `max`. A name is
   * listed while its holder's record and prekeys are there and it is not revoked.
   */
  names(query: NameQuery): Promise<readonly string[]>;
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

/** Which opening of which agent store: 16 random bytes and a counter (protocol.md §2.6). */
export interface StoreOpening {
  readonly instance: Uint8Array;
  readonly boot: number;
}

export interface NameClaim {
  readonly name: string;
  readonly aid: Uint8Array;
  /** What the agent says of its store; null (no connection is made) leaves the last one. */
  readonly opening: StoreOpening | null;
  /** Whether a free name may be bound: the registration policy's answer. */
  readonly mayRegister: boolean;
  readonly nowMs: number;
  /** How long a retired identity is still let in. */
  readonly retiredMs: number;
}

/**
 * `revoked`: this identity is void, whatever the name. `name_taken`: another identity holds the
 * name, or this one lost it longer than `retiredMs` ago. `other_name`: this identity holds another
 * name. `not_registered`: free, but may not be bound.
 */
export type ClaimResult =
  | {
      readonly status: 'ok';
      /** Whether the name was bound by this very call. */
      readonly registered: boolean;
      /** Whether a successor holds the name now: this identity may only receive. */
      readonly retired: boolean;
      /** Of the last claim that had one; null at the first. */
      readonly lastOpening: StoreOpening | null;
      /**
       * Order among this identity's connections: above that of every earlier claim with an opening
       * whose connection may still be there. Without meaning for a claim without one.
       */
      readonly connection: number;
      /** What was counted of this identity at the hub of its last connection; null for nothing. */
      readonly spent: AgentSpending | null;
    }
  | { readonly status: 'revoked' | 'name_taken' | 'other_name' | 'not_registered' };

export interface IdentityUpdate {
  /** aid that publishes, and aid that the record is of. */
  readonly owner: Uint8Array;
  readonly subject: Uint8Array;
  readonly name: string;
  readonly revision: number;
  readonly record: Uint8Array;
  readonly nowMs: number;
}

export type PutIdentityResult = 'stored' | 'stale' | 'not_owner' | 'revoked';

/** A revocation whose signature was verified. */
export interface RevocationUpdate {
  readonly aid: Uint8Array;
  readonly revocation: Uint8Array;
}

export interface PrekeyUpdate {
  readonly aid: Uint8Array;
  readonly signed: readonly StoredSignedPrekey[];
  readonly oneTime: readonly StoredOneTimePrekey[];
  readonly replaceAll: boolean;
  readonly keepSigned: number;
  readonly maxOneTime: number;
}

export interface StoredSignedPrekey {
  readonly id: number;
  readonly createdMs: number;
  readonly bytes: Uint8Array;
}

export interface StoredOneTimePrekey {
  readonly id: number;
  readonly expiresMs: number;
  readonly bytes: Uint8Array;
}

export type PutPrekeysResult =
  | { readonly status: 'ok'; readonly keys: KeyInventory }
  | { readonly status: 'limit' | 'conflict' | 'revoked' };

/** Enough to compute the key digest of protocol.md §2.2. */
export interface KeyInventory {
  readonly newestSigned: Uint8Array | null;
  /** In no particular order. */
  readonly oneTimeIds: readonly number[];
}

export interface BundleRequest {
  readonly aid: Uint8Array;
  readonly oneTime: boolean;
  readonly nowMs: number;
}

export interface StoredBundle {
  readonly record: Uint8Array;
  readonly signed: Uint8Array | null;
  readonly oneTime: Uint8Array | null;
  readonly revocation: Uint8Array | null;
  /** Whether a successor holds the name. */
  readonly retired: boolean;
}

export interface NameQuery {
  readonly prefix: string;
  /** Exclusive; empty to begin. */
  readonly after: string;
  readonly max: number;
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

export type QueueEntry = DueEnvelope | DelayedEnvelope;

export interface DueEnvelope {
  readonly due: true;
  readonly seq: number;
  readonly attempt: number;
  readonly id: Uint8Array;
  readonly from: Uint8Array;
  readonly tsMs: number;
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
