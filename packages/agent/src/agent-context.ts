/**
 * What the parts of one running agent share: identity, store, clock, locks, events and policy.
 * Owns the current opening of the store and the order of log rows; decides nothing.
 */
import { equalBytes } from '@agentmesh/crypto';
import type { AgentKeyPair, AgentMeshError } from '@agentmesh/crypto';
import type { Clock } from '@agentmesh/protocol';
import type { Author } from './conversation/compose.js';
import { AgentError } from './ground/errors.js';
import { EventEmitter } from './message/events.js';
import { decodeFormer, receives } from './self/former-identity.js';
import type { FormerIdentity } from './self/former-identity.js';
import { decodePrekeyState } from './self/prekeys.js';
import { GuardedStore } from './store/guarded-store.js';
import { KeyedMutex } from './ground/keyed-mutex.js';
import { decodeMeta, encodeMeta, openedMeta, renewedMeta } from './self/meta.js';
import type { Meta } from './self/meta.js';
import {
  decodeOpenings,
  encodeOpenings,
  isOfAnotherTime,
  withAnswer,
  withOpening,
} from './self/openings.js';
import type { Opening } from './self/openings.js';
import { presentIdentity } from './changes/rotation.js';
import type { PresentIdentity } from './changes/rotation.js';
import { orderOf, ROW, under } from './store/row-keys.js';
import type { Log } from './store/row-keys.js';
import { rowsUnder } from './store/row-pages.js';
import type { Logger, Runtime } from './ground/runtime.js';
import { SharedLock } from './ground/shared-lock.js';
import type { AgentStore, StoreOperation } from './store/store.js';
import { StoreTransaction } from './store/store-transaction.js';
import type { TrustPolicy } from './conversation/trust.js';
import { waitingClock } from './ground/waiting-clock.js';

/** What an agent is made of. */
export interface AgentParts {
  readonly name: string;
  readonly keyPair: AgentKeyPair;
  /** Keys that were prepared to follow these, by a run that did not get further. */
  readonly prepared: AgentKeyPair | null;
  readonly store: AgentStore;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly policy: TrustPolicy;
  readonly requireOneTimePrekey: boolean;
}

const LOGS: readonly Log[] = ['outbox', 'inbox', 'dead', 'security'];

/** One opening of one agent's store. */
export class AgentContext {
  readonly name: string;
  readonly runtime: Runtime;
  /** For waits: never goes back, and means nothing in another run. */
  readonly waits: Clock;
  readonly log: Logger;
  readonly policy: TrustPolicy;
  readonly requireOneTimePrekey: boolean;
  readonly store: GuardedStore;
  readonly events: EventEmitter;
  /** By aid in hex: load→commit of one peer never interleaves. */
  readonly peers = new KeyedMutex();
  /** Shared by whoever speaks or begins sessions; a change of identity has it for itself. */
  readonly identityLock = new SharedLock();
  readonly #orders = new Map<Log, number>();
  #keyPair: AgentKeyPair;
  #next: AgentKeyPair | null;
  /** Latest first. */
  #formers: readonly FormerIdentity[] = [];
  #meta: Meta;
  #closed = false;

  private constructor(
    parts: AgentParts,
    { keyPair, next }: PresentIdentity,
    opened: { readonly store: GuardedStore; readonly meta: Meta },
  ) {
    const { store, meta } = opened;
    this.name = parts.name;
    this.#keyPair = keyPair;
    this.#next = next;
    this.runtime = parts.runtime;
    this.waits = waitingClock(parts.runtime.now);
    this.log = parts.log;
    this.policy = parts.policy;
    this.requireOneTimePrekey = parts.requireOneTimePrekey;
    this.store = store;
    this.#meta = meta;
    this.events = new EventEmitter((error) => {
      this.log.error('event listener failed', { error: nameOf(error) });
    });
  }

  /**
   * Takes the store and counts this opening before anything else happens (P6). Rejects with
   * STORE_LOCKED, STORE_MISMATCH or STORE_FAILED; the store is then let go of.
   */
  static async open(
    parts: AgentParts,
    onFailure: (error: AgentMeshError) => void,
  ): Promise<AgentContext> {
    const store = new GuardedStore(parts.store, onFailure);
    await store.open();
    try {
      const row = await store.get(ROW.meta);
      const identity = presentIdentity({
        meta: row === null ? null : decodeMeta(row),
        begun: await store.get(ROW.rotation),
        given: parts.keyPair,
        prepared: parts.prepared,
      });
      const owner = { aid: identity.keyPair.identity.aid, name: parts.name };
      const meta = openedMeta(row, owner, parts.runtime.random);
      const openings = withOpening(decodeOpenings(await store.get(ROW.openings)), meta);
      await store.commit([
        { put: ROW.meta, value: encodeMeta(meta) },
        { put: ROW.openings, value: encodeOpenings(openings) },
      ]);
      const context = new AgentContext(parts, identity, { store, meta });
      await context.#findFormers();
      for (const log of LOGS) await context.#findOrder(log);
      return context;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  get meta(): Meta {
    return this.#meta;
  }

  get keyPair(): AgentKeyPair {
    return this.#keyPair;
  }

  /** The identity that is to follow this one: its change was begun by an earlier run. */
  get next(): AgentKeyPair | null {
    return this.#next;
  }

  /** Identities that this one has followed, the latest first. */
  get formers(): readonly FormerIdentity[] {
    return this.#formers;
  }

  get aid(): Uint8Array {
    return this.keyPair.identity.aid;
  }

  /** Whether an identity is ours: the present one, or one that it has followed. */
  isOurs(aid: Uint8Array): boolean {
    const ours = [this.keyPair, ...this.#formers.map(({ keyPair }) => keyPair)];
    return ours.some(({ identity }) => equalBytes(identity.aid, aid));
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whose words we write, now. */
  author(): Author {
    const { keyPair, runtime } = this;
    return { keyPair, meta: this.#meta, nowMs: runtime.now(), random: runtime.random };
  }

  /** The identity of ours to which something is addressed; null if it is none that receives. */
  authorFor(aid: Uint8Array): Author | null {
    const author = this.author();
    if (equalBytes(aid, this.aid)) return author;
    const former = this.#formers.find(({ keyPair }) => equalBytes(keyPair.identity.aid, aid));
    if (former === undefined || !receives(former, author.nowMs)) return null;
    const { keyPair, epoch, since } = former;
    return { ...author, keyPair, meta: { ...this.#meta, aid, epoch, since } };
  }

  /** A new transaction; throws once the agent is closed or its store has failed. */
  transaction(): StoreTransaction {
    this.assertRunning();
    return new StoreTransaction(this.store);
  }

  assertRunning(): void {
    if (this.store.failure !== null) throw this.store.failure;
    if (this.#closed) throw new AgentError('CLOSED');
  }

  /** Rows of this log up to `order` are gone, but something still goes by their keys. */
  skipTo(log: Log, order: number): void {
    this.#orders.set(log, Math.max(order, this.#orders.get(log) ?? 0));
  }

  /** Key of the next row of a log. */
  nextKey(log: Log): string {
    const order = (this.#orders.get(log) ?? 0) + 1;
    this.#orders.set(log, order);
    return ROW.log(log, order);
  }

  /**
   * The hub has taken this opening, and tells which one it saw before. If that is of another course
   * of time, the store went back: it gets a new instance, committed before anything is sent under
   * it, and loses its outbox, in which places of chains may be used a second time. Returns whether
   * it did. A hub that is not the pinned one knows nothing of that.
   */
  answered(hubKey: Uint8Array, last: Opening | null): Promise<boolean> {
    // Alone: nobody seals as the instance that is replaced.
    return this.identityLock.exclusive(() => this.#answered(hubKey, last));
  }

  async #answered(hubKey: Uint8Array, last: Opening | null): Promise<boolean> {
    const before = this.#meta;
    const openings = decodeOpenings(await this.store.get(ROW.openings));
    const pinned = await this.store.get(ROW.hub);
    // Without one this store was at no hub yet, unless in a time that it has lost.
    const isOurHub = pinned === null || equalBytes(pinned, hubKey);
    const isLater = last !== null && equalBytes(last.instance, before.instance);
    const wentBack = isOurHub
      ? last !== null && isOfAnotherTime(openings, before, last)
      : isLater && last.boot > before.boot;
    const meta = wentBack ? await this.#renewed(before) : before;
    await this.store.commit([
      { put: ROW.meta, value: encodeMeta(meta) },
      { put: ROW.openings, value: encodeOpenings(withAnswer(before, meta)) },
      { put: ROW.hub, value: hubKey },
      ...(wentBack ? await this.#outboxDeletions() : []),
    ]);
    this.#meta = meta;
    return wentBack;
  }

  async #renewed(before: Meta): Promise<Meta> {
    const row = await this.store.get(ROW.prekeys);
    const prekeysFrom = row === null ? 0 : decodePrekeyState(row).nextId;
    return renewedMeta(before, prekeysFrom, this.runtime.random);
  }

  async #outboxDeletions(): Promise<readonly StoreOperation[]> {
    const deletions: StoreOperation[] = [];
    for await (const { key } of rowsUnder(this.store, 'outbox')) deletions.push({ delete: key });
    return deletions;
  }

  /** Another identity has taken our place: committed before anything is said as it. */
  become(keyPair: AgentKeyPair, meta: Meta, former: FormerIdentity): void {
    this.#keyPair = keyPair;
    this.#next = null;
    this.#meta = meta;
    this.#formers = [former, ...this.#formers];
  }

  /** Forgets a former identity, or keeps it as it is now. */
  replaceFormer(former: FormerIdentity, by: FormerIdentity | null): void {
    this.#formers = this.#formers.flatMap((other) => (other === former ? (by ?? []) : other));
  }

  /** No new work from now on. */
  close(): void {
    this.#closed = true;
  }

  async #findFormers(): Promise<void> {
    const found: FormerIdentity[] = [];
    for await (const { value } of rowsUnder(this.store, 'former')) found.push(decodeFormer(value));
    this.#formers = found.toSorted((a, b) => b.epoch - a.epoch);
  }

  async #findOrder(log: Log): Promise<void> {
    const last = await this.store.range({ ...under(log), limit: 1, reverse: true });
    const key = last[0]?.key;
    if (key !== undefined) this.#orders.set(log, orderOf(key));
  }
}

/** Class of an error for a log line: its text may hold what an application wrote. */
export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
