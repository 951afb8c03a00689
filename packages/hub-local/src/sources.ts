/**
 * Connections by where they come from, so that no source takes the room of the others. Owns the
 * bounds (protocol.md §2.16) and who has to make way for a newcomer; closes nothing itself.
 *
 * A source is what a transport names: an address, or a network of one customer. Behind a forwarder
 * many clients share one, so at its bound the oldest stranger makes way for the next. When the
 * hub is full, the source with the most connections gives one to a source that has fewer.
 */
import { TokenBuckets } from './token-buckets.js';

/** After this an honest client has proved who it is. */
const GRACE_MS = 250;

/** A connection as it is counted. */
export interface Sourced {
  /** Null for a connection from this process: it counts only among all. */
  readonly remote: string | null;
  readonly openedMs: number;
  /** Whether an agent has proved on it who it is. */
  readonly isReady: boolean;
}

/** The part of a hub's limits that is kept here. */
export interface SourceLimits {
  readonly connections: number;
  readonly preAuthConnectionsPerAddress: number;
  readonly newConnectionsPerSecond: number;
}

/** Everybody who is connected. */
export class Sources<T extends Sourced> {
  readonly #limits: SourceLimits;
  readonly #all = new Set<T>();
  /** In the order of their coming. */
  readonly #bySource = new Map<string, Set<T>>();
  /** Those that had not authenticated when last looked at. */
  readonly #strangers = new Map<string, Set<T>>();
  readonly #newConnections: TokenBuckets;

  constructor(limits: SourceLimits) {
    this.#limits = limits;
    const perSecond = limits.newConnectionsPerSecond;
    this.#newConnections = new TokenBuckets({ perSecond, burst: perSecond });
  }

  get size(): number {
    return this.#all.size;
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this.#all.values();
  }

  /**
   * Whether a newcomer may come in, and which connections have to be closed for it. Spends from
   * the rate of its source.
   */
  makeWay(remote: string | null, nowMs: number): { readonly mayEnter: boolean; leaving: T[] } {
    const refused = { mayEnter: false, leaving: [] };
    if (remote !== null && !this.#newConnections.take(remote, 1, nowMs)) return refused;
    const stranger = remote === null ? 'nobody' : this.#strangerToLeave(remote, nowMs);
    if (stranger === null) return refused;
    if (stranger !== 'nobody') return { mayEnter: true, leaving: [stranger] };
    if (this.#all.size < this.#limits.connections) return { mayEnter: true, leaving: [] };
    const guest = this.#guestToLeave(remote);
    return guest === null ? refused : { mayEnter: true, leaving: [guest] };
  }

  add(connection: T): void {
    this.#all.add(connection);
    const { remote } = connection;
    if (remote === null) return;
    setOf(this.#bySource, remote).add(connection);
    setOf(this.#strangers, remote).add(connection);
  }

  delete(connection: T): void {
    this.#all.delete(connection);
    const { remote } = connection;
    if (remote === null) return;
    for (const sets of [this.#bySource, this.#strangers]) {
      const set = sets.get(remote);
      set?.delete(connection);
      if (set?.size === 0) sets.delete(remote);
    }
  }

  forgetFull(nowMs: number): void {
    this.#newConnections.forgetFull(nowMs);
  }

  /** Nobody has to leave below the bound; null: somebody would have to, and nobody may yet. */
  #strangerToLeave(remote: string, nowMs: number): T | 'nobody' | null {
    const strangers = this.#strangers.get(remote);
    if (strangers === undefined) return 'nobody';
    for (const connection of strangers) if (connection.isReady) strangers.delete(connection);
    if (strangers.size < this.#limits.preAuthConnectionsPerAddress) return 'nobody';
    const [oldest] = strangers;
    return oldest !== undefined && nowMs - oldest.openedMs >= GRACE_MS ? oldest : null;
  }

  /** The newest of the largest source, a stranger first; null if the newcomer's is no smaller. */
  #guestToLeave(remote: string | null): T | null {
    let largest: Set<T> = new Set();
    for (const set of this.#bySource.values()) if (set.size > largest.size) largest = set;
    const own = remote === null ? 0 : (this.#bySource.get(remote)?.size ?? 0);
    if (largest.size <= own + 1) return null;
    const newestFirst = [...largest].toReversed();
    return newestFirst.find((one) => !one.isReady) ?? newestFirst[0] ?? null;
  }
}

function setOf<T>(sets: Map<string, Set<T>>, key: string): Set<T> {
  const set = sets.get(key) ?? new Set<T>();
  sets.set(key, set);
  return set;
}
