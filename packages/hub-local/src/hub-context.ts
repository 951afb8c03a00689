/**
 * What the parts of one hub share. Owns no behaviour: `hub-core` makes one context and hands it to
 * its connections and sessions.
 */
import type { HubKeyPair, ProtocolError, SteadyClock } from '@agentmesh/protocol';
import type { CoreLimits } from './core-limits.js';
import type { Duels } from './duels.js';
import type { HeldBytes } from './held-envelopes.js';
import type { HubHost } from './hub-host.js';
import type { HubStore, NewEnvelope } from './hub-store.js';
import type { Presence } from './presence.js';
import type { QueueWriter } from './queue-writer.js';
import type { Registration } from './registration.js';
import type { LiveSession, Roster } from './roster.js';
import type { TokenBuckets } from './token-buckets.js';

/** What a hub knows of one envelope: all of it, and nothing of the content. */
export interface HubTraffic {
  readonly id: Uint8Array;
  /** aids (32 bytes). */
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  readonly fromName: string;
  /** Name of the recipient if it is connected, else its address. */
  readonly toName: string;
  /** Position in the recipient's queue. */
  readonly seq: number;
  readonly tsMs: number;
  /** As opaque to the hub as to anyone without the keys. */
  readonly blob: Uint8Array;
}

/** Told what happens, for logs and metrics; must not throw. */
export interface HubObserver {
  /** An envelope became durable. */
  routed?(traffic: HubTraffic): void;
  /**
   * A frame was answered with an error. Of a connection, not of an agent that was let in, `remote`
   * says where it comes from: null where the transport does not know.
   */
  refused?(error: ProtocolError, remote?: string | null): void;
  /** The store failed; the affected requests were answered `STORAGE`. */
  failed?(error: unknown): void;
}

/** Per agent, over all its connections. */
export interface HubRates {
  readonly sends: TokenBuckets;
  readonly sendBytes: TokenBuckets;
  readonly requests: TokenBuckets;
  /** Frames that ask for nothing and answer nothing. */
  readonly controls: TokenBuckets;
  /** Refusals that are tolerated before the connection is closed. */
  readonly refusals: TokenBuckets;
  readonly bundlesOfRequester: TokenBuckets;
  readonly bundlesOfTarget: TokenBuckets;
  readonly bundlesOfPair: TokenBuckets;
}

/** What the parts of one hub report, so that the other hubs over the store learn of it. */
export interface Announcer {
  /** Whether the store itself hands envelopes to the hubs of their recipients. */
  readonly handsOver: boolean;
  /** A session is offered what is stored for it, wherever that is, until this is called off. */
  attend(session: LiveSession): () => void;
  /** An envelope is in the queue of an agent that has no connection here. */
  stored(recipient: Uint8Array): void;
  /** An envelope was stored before: the hub that stored it may have died before it told. */
  found(recipient: Uint8Array): void;
  /** A notice waits for a sender that has no connection here. */
  noticed(sender: Uint8Array): void;
  /** An envelope waits for a decision: its sender is told, wherever it is connected. */
  putOff(sender: Uint8Array, id: Uint8Array, reason: string): void;
  /** A one-time prekey was asked for here. */
  fetched(requester: Uint8Array, target: Uint8Array): void;
  /** An identity was revoked here. */
  revoked(aid: Uint8Array): void;
  /** A session begins: what came between its claim and now is in the store. */
  admitted(session: LiveSession): void;
}

/** One hub. */
export interface HubContext {
  readonly store: HubStore;
  readonly host: HubHost;
  readonly steady: SteadyClock;
  readonly limits: CoreLimits;
  readonly hubKey: HubKeyPair;
  readonly registration: Registration;
  readonly isBlocked: (aid: Uint8Array) => boolean;
  readonly writer: QueueWriter;
  readonly held: HeldBytes;
  readonly rates: HubRates;
  readonly observer: HubObserver;
  readonly roster: Roster;
  readonly duels: Duels;
  readonly presence: Presence;
  readonly neighbourhood: Announcer;
  /** An envelope became durable: counts it and pushes it to its recipient if connected. */
  routed(routed: {
    readonly envelope: NewEnvelope;
    readonly fromName: string;
    readonly seq: number;
    readonly follows: number | null;
  }): void;
}
