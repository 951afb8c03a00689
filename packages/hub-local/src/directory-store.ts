/**
 * The directory half of `HubStore`: names, identity records and prekeys (hub.md §4). Owns the
 * contract of each method; what holds for all of them, and the queues, is in `hub-store`.
 */
import type { AgentSpending } from './neighbours.js';

/** Names, identity records and prekeys. */
export interface HubDirectoryStore {
  /**
   * Compare-and-set of a name, and the record of the agent's store opening, in one transaction.
   * A free name is bound to the identity if `mayRegister`; a bound one is only compared. On `ok`
   * the new opening replaces the previous one, which is returned.
   *
   * An identity that was transient in each claim with an opening holds its name only until it has
   * left: after that another identity may bind the name, and the former holder is forgotten, with
   * its record and prekeys. One claim that is not transient makes the name its own for ever.
   */
  claim(claim: NameClaim): Promise<ClaimResult>;

  /**
   * A connection has ended. If it was the newest one of a transient identity, that has left: its
   * name is not listed and may be bound by others, until it claims it again. Others keep theirs.
   */
  leave(leaving: Leaving): Promise<void>;

  /** A hub has started, alone over this store: nobody is connected, transient agents have left. */
  allLeft(nowMs: number): Promise<void>;

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
  /** Whether the agent says that its keys are kept nowhere; counts only with an opening. */
  readonly isTransient?: boolean | undefined;
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
      /** Whether it holds its name only while it is connected: the hub says when it leaves. */
      readonly isTransient: boolean;
      /**
       * The identity that held the name until now, had left, and is forgotten; its queue is the
       * hub's to empty. Null for none.
       */
      readonly forgotten: Uint8Array | null;
      /** What was counted of this identity at the hub of its last connection; null for nothing. */
      readonly spent: AgentSpending | null;
    }
  | { readonly status: 'revoked' | 'name_taken' | 'other_name' | 'not_registered' };

/** The end of a connection. */
export interface Leaving {
  readonly aid: Uint8Array;
  /** The one of its claim. */
  readonly connection: number;
  readonly nowMs: number;
}

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
