/**
 * The hub as an agent sees it: one interface for the in-process hub and the networked one.
 * Owns the contract (hub.md §1 and §2); implementations own connections, retries and time limits.
 *
 * Everything a hub says is a claim: records and messages are verified by the agent, `from` is what
 * the hub states, and only an end-to-end receipt proves delivery.
 */
import type { AgentMeshError, Bundle, PublicIdentity } from '@agentmesh/crypto/verify';
import type { HubLimits } from './hub-frames.js';

/** Where an agent connects. One hub may serve several agents. */
export interface Hub {
  /** URLs at which others reach this hub, for invites; none where only this process has it. */
  readonly addresses?: readonly string[] | undefined;
  /**
   * Authenticates both sides and resolves once this identity can be used. Rejects with a typed
   * error: NAME_TAKEN, REGISTRATION_REFUSED, REVOKED, BAD_AUTH are the hub's word; HUB_KEY_CHANGED,
   * PLAINTEXT_REFUSED, VERSION are nobody's yet, and for the caller to decide; one with `retryable`
   * may pass on another try. After it has resolved, a lost connection is restored by the
   * implementation, with `down` and `authenticated` as news; only what a proved hub says ends it.
   */
  connect(credentials: HubCredentials, events: HubEvents): Promise<HubConnection>;
  /** Ends every connection made here. */
  close?(): Promise<void>;
}

/** What an agent shows to a hub. The private key stays behind `sign`. */
export interface HubCredentials {
  readonly name: string;
  readonly identity: PublicIdentity;
  /** 16 random bytes made with the agent's store. */
  readonly instance: Uint8Array;
  /** How often that store was opened; raised before connecting. */
  readonly boot: number;
  /** Ed25519 signature (64 bytes) with the identity key. */
  sign(bytes: Uint8Array): Uint8Array;
  /**
   * Whether these keys are kept nowhere and end with the process: then the name is held only while
   * it is connected.
   */
  readonly isTransient?: boolean | undefined;
  /** Registration token, where the hub asks for one. */
  readonly token?: string | undefined;
  /** Hub key that was pinned earlier: a hub with another one learns nothing (HUB_KEY_CHANGED). */
  readonly hubKey?: Uint8Array | undefined;
}

/**
 * Which store a hub has, and which course of its time that is: a store that may have lost some of
 * its time, such as one that was restored from a backup, goes on in a new timeline.
 */
export interface StoreTimelines {
  /** 16 random bytes, made with the store. */
  readonly store: Uint8Array;
  /** 16 random bytes each: the present one, then those it goes on from without a loss. */
  readonly timelines: readonly Uint8Array[];
}

/** What the latest authentication said; all of it signed by the hub. */
export interface HubSession {
  /** Verified hub key (32 bytes) and its hash, the id that identity records name. */
  readonly hubKey: Uint8Array;
  readonly hubId: Uint8Array;
  /** What both sides can do beyond their common version. */
  readonly features: readonly string[];
  /** What the hub allows, and how fast. */
  readonly limits: HubLimits;
  /** The hub's clock when it greeted: milliseconds since the epoch. */
  readonly timeMs: number;
  /** Instance and boot of this identity's authentication before; `null` if there was none. */
  readonly lastInstance: Uint8Array | null;
  readonly lastBoot: number | null;
  /** Digest of the prekeys the hub holds; `null` while it holds no signed one. */
  readonly keyDigest: Uint8Array | null;
  readonly oneTimePrekeys: number;
  /** Envelopes waiting on the hub. */
  readonly queued: number;
  /** Null where the hub does not say. */
  readonly history: StoreTimelines | null;
}

/**
 * News of a connection. Calls arrive one at a time, in order, and never before `connect` resolved
 * (what came earlier is kept until then). A listener must not throw.
 */
export interface HubEvents {
  /** Authenticated again after a lost connection; not called for the first time. */
  authenticated(session: HubSession): void;
  /** An envelope, until it is acknowledged possibly again with a higher `attempt`. */
  deliver(delivery: Delivery): void;
  /** An envelope that the hub had accepted from us will not arrive. */
  notice(notice: DeliveryNotice): void;
  /**
   * Connection lost and being restored, or not there yet while the first one is tried again: then
   * `authenticated` is not called for it. Called again when something else keeps it from that, such
   * as HUB_KEY_CHANGED or HUB_UNPROVEN. Requests meanwhile wait or fail: CONNECTION_LOST.
   */
  down(error: AgentMeshError): void;
  /** Last call: `null` after our own `close`, else why no new connection is tried. */
  closed(error: AgentMeshError | null): void;
}

/** One delivery of one envelope. */
export interface Delivery {
  /** Position in this agent's queue; rises strictly. */
  readonly seq: number;
  /** 1 for the first delivery. */
  readonly attempt: number;
  readonly envelope: Envelope;
}

/** An envelope as the hub hands it out. */
export interface Envelope {
  /** 16 bytes, chosen by the sender. */
  readonly id: Uint8Array;
  /** aids (32 bytes). `from` is the hub's claim. */
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  /** Milliseconds since the epoch by the hub's clock. */
  readonly ts: number;
  /** End-to-end message (protocol.md §2.5), opaque here. */
  readonly blob: Uint8Array;
}

/**
 * Fate of an envelope of ours: its time ran out, its recipient never took it, or somebody there has
 * to decide first and it waits.
 */
export interface DeliveryNotice {
  readonly id: Uint8Array;
  readonly what: 'expired' | 'dead_lettered' | 'put_off';
  /** Code with which its recipient has put it off. */
  readonly reason?: string | undefined;
}

/** What the hub holds of our prekeys after an upload. */
export interface KeyState {
  readonly oneTimePrekeys: number;
  readonly keyDigest: Uint8Array | null;
}

/** Signed prekey records to publish. */
export interface PrekeyUpload {
  readonly signed: readonly Uint8Array[];
  readonly oneTime: readonly Uint8Array[];
  /** Forget all earlier ones in the same transaction. */
  readonly replaceAll?: boolean | undefined;
}

/** An envelope to send. Repeating it with the same `id` and `blob` is safe. */
export interface OutgoingEnvelope {
  readonly id: Uint8Array;
  readonly to: Uint8Array;
  readonly ttlSeconds: number;
  readonly blob: Uint8Array;
}

/** A refusal to take a delivery now; it comes again after the delay. */
export interface DeliveryRefusal {
  readonly seq: number;
  readonly delayMs: number;
  /** Stable code, such as STORAGE. */
  readonly reason: string;
}

/** A page of registered names. */
export interface AgentPage {
  readonly names: readonly string[];
  /** Pass as `cursor` for the next page; `null` after the last. */
  readonly next: string | null;
}

/**
 * An authenticated connection. Requests reject with a typed error (ProtocolError for what the hub
 * refused). `ack`, `nack` and `credit` are told without an answer: when they are lost with the
 * connection, the hub delivers again.
 */
export interface HubConnection {
  /** Of the latest authentication. */
  readonly session: HubSession;
  /** Publishes our identity record: BAD_RECORD, NOT_OWNER. */
  putIdentity(record: Uint8Array): Promise<KeyState>;
  /** Publishes prekeys, all or none: BAD_PREKEY, LIMIT. */
  putPrekeys(keys: PrekeyUpload): Promise<KeyState>;
  /**
   * Makes an identity void on this hub for ever: our own or any other that the hub knows. The same
   * once more is no error. PEER_NOT_FOUND; BAD_RECORD if its owner did not sign it.
   */
  putRevocation(revocation: Uint8Array): Promise<void>;
  /**
   * Keys of a peer by name or `am2…` address, unverified: PEER_NOT_FOUND. Of an identity that has a
   * successor, asked for by its address, or that was revoked, the record without prekeys.
   */
  getBundle(peer: string, options: { readonly oneTime: boolean }): Promise<Bundle>;
  /**
   * Resolves when the hub has the envelope durably. UNKNOWN_RECIPIENT, REVOKED, QUEUE_FULL,
   * TOO_LARGE, RATE_LIMITED, STORAGE, BLOCKED, CONFLICT: nothing was kept. CONNECTION_LOST,
   * TIMEOUT: unknown, send again with the same id.
   */
  send(envelope: OutgoingEnvelope): Promise<{ readonly seq: number; readonly duplicate: boolean }>;
  /** These deliveries are committed here; the hub may forget them. */
  ack(seqs: readonly number[]): void;
  nack(refusal: DeliveryRefusal): void;
  /** Adds to what the hub may push; a connection starts with 256 messages and 8 MiB of blobs. */
  credit(grant: { readonly messages: number; readonly bytes: number }): void;
  list(query: {
    readonly prefix?: string | undefined;
    readonly cursor?: string | undefined;
    readonly max?: number | undefined;
  }): Promise<AgentPage>;
  /** Says goodbye; `closed(null)` follows. Further calls reject with CONNECTION_LOST. */
  close(): Promise<void>;
}
