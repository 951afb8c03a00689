/**
 * Agents that hold their names only while they are connected (hub.md §2): the store is told when
 * one has left, and what waits for one that is forgotten becomes dead letters. Owns these two
 * tasks; who may have which name is the store's.
 */
import type { Leaving } from './directory-store.js';
import type { HubStore, QueueQuota } from './hub-store.js';

/** What it needs of the hub. */
export interface PresenceOptions {
  readonly store: HubStore;
  readonly clock: () => number;
  readonly quota: QueueQuota;
  /** Envelopes that are read at once. */
  readonly page: number;
  readonly onNotified: (senders: readonly Uint8Array[]) => void;
  readonly onFailure: (error: unknown) => void;
}

/** A connection that has ended. */
export interface Departure {
  readonly name: string;
  readonly aid: Uint8Array;
  readonly connection: number;
  readonly isTransient: boolean;
}

/** Pages hold any number of bytes: entries are not kept. */
const ANY_BYTES = Number.MAX_SAFE_INTEGER;

/** One per hub. */
export class Presence {
  readonly #options: PresenceOptions;
  /** By name: what the store is being told. */
  readonly #leaving = new Map<string, Promise<void>>();
  /** What it could not be told. */
  #untold: Departure[] = [];

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  /** A connection that was let in is over. */
  left(departure: Departure): void {
    if (!departure.isTransient) return;
    const { name } = departure;
    const before = this.#leaving.get(name) ?? Promise.resolve();
    const telling = before.then(() => this.#tell(departure));
    this.#leaving.set(name, telling);
    void this.#forgetWhenTold(name, telling);
  }

  /** Resolves when the store knows who has left this name. */
  settled(name: string): Promise<void> {
    return this.#leaving.get(name) ?? Promise.resolve();
  }

  /** Tells again what the store did not take. */
  tick(): void {
    const again = this.#untold;
    this.#untold = [];
    for (const departure of again) this.left(departure);
  }

  /** Nobody will read what waits for these identities: their senders are told. */
  forgotten(aids: readonly Uint8Array[]): void {
    for (const aid of aids) {
      this.#empty(aid).catch((error: unknown) => this.#options.onFailure(error));
    }
  }

  async #forgetWhenTold(name: string, telling: Promise<void>): Promise<void> {
    await telling;
    if (this.#leaving.get(name) === telling) this.#leaving.delete(name);
  }

  async #tell(departure: Departure): Promise<void> {
    const { aid, connection } = departure;
    const leaving: Leaving = { aid, connection, nowMs: this.#options.clock() };
    try {
      await this.#options.store.leave(leaving);
    } catch (error) {
      this.#untold.push(departure);
      this.#options.onFailure(error);
    }
  }

  async #empty(recipient: Uint8Array): Promise<void> {
    const { store, clock, quota, page: messages, onNotified } = this.#options;
    for (let after = 0; ;) {
      const nowMs = clock();
      const query = { recipient, after, messages, bytes: ANY_BYTES, nowMs };
      const { entries, end } = await store.read(query);
      const deadLetter = entries.map(({ seq }) => ({ recipient, seq }));
      const changes = { nowMs, acknowledge: [], reschedule: [], deadLetter, append: [], quota };
      if (deadLetter.length > 0) onNotified((await store.commit(changes)).notified);
      after = entries.at(-1)?.seq ?? after;
      if (end) return;
    }
  }
}
