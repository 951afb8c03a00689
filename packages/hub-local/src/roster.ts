/**
 * Who is connected: the live session of each agent, and the identities that may have none any more.
 * Owns both, and which of two sessions of one identity lives. Knows a session by what others may
 * ask of it; what an agent may do on it is `session`.
 */
import type { PublicIdentity } from '@agentmesh/protocol';
import { byteKey } from './byte-key.js';
import type { Delivery } from './delivery.js';
import type { NoticeFeed } from './notice-feed.js';

/** Why a session is ended that did not end itself. */
export type EndCode = 'BLOCKED' | 'DISPLACED' | 'FLOOD' | 'REVOKED' | 'SHUTTING_DOWN';

/** An authenticated agent on one connection, as the rest of the hub sees it. */
export interface LiveSession {
  readonly identity: PublicIdentity;
  readonly name: string;
  /** Byte key of the aid. */
  readonly key: string;
  /** Order among the connections of this identity, at all hubs over this store. */
  readonly connection: number;
  /** Whether a successor holds the name: then this identity may only receive. */
  readonly retired: boolean;
  readonly delivery: Pick<Delivery, 'offer' | 'wake'>;
  readonly notices: Pick<NoticeFeed, 'wake'>;
  retire(): void;
  /** The recipient of an envelope of its has put it off, and says why. */
  putOff(id: Uint8Array, reason: string): void;
  /** Ends the connection, saying why. */
  close(code: EndCode): void;
}

/** One per hub. */
export class Roster {
  readonly #sessions = new Map<string, LiveSession>();
  readonly #revoked = new Set<string>();

  /** The session of an agent, by byte key of its aid. */
  get(key: string): LiveSession | undefined {
    return this.#sessions.get(key);
  }

  /** The session of an agent, by its aid. */
  of(aid: Uint8Array): LiveSession | undefined {
    return this.#sessions.get(byteKey(aid));
  }

  /** Byte keys of all connected agents. */
  keys(): Iterable<string> {
    return this.#sessions.keys();
  }

  /** Ends an older session of the same identity; says why the new one may not live, if so. */
  enter(session: LiveSession): 'entered' | 'revoked' | 'displaced' {
    const { key, connection } = session;
    if (this.#revoked.has(key)) return 'revoked';
    const other = this.#sessions.get(key);
    if (other !== undefined && other.connection > connection) return 'displaced';
    other?.close('DISPLACED');
    this.#sessions.set(key, session);
    return 'entered';
  }

  /** A session that was displaced is not the registered one any more: it removes nobody. */
  leave(session: LiveSession): void {
    if (this.#sessions.get(session.key) === session) this.#sessions.delete(session.key);
  }

  /** No admission of this identity that is under way passes from now on; a live session goes on. */
  bar(aid: Uint8Array): void {
    this.#revoked.add(byteKey(aid));
  }

  /** No connection of a revoked identity lives, none that is being made either. */
  revoke(aid: Uint8Array): void {
    this.bar(aid);
    this.of(aid)?.close('REVOKED');
  }
}
