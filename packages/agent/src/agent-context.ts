/**
 * What the parts of one running agent share: identity, store, clock, locks, events and policy.
 * Owns the current opening of the store and the order of log rows; decides nothing.
 */
import type { AgentKeyPair, AgentMeshError } from '@agentmesh/crypto';
import type { Author } from './compose.js';
import { AgentError } from './errors.js';
import { EventEmitter } from './events.js';
import { GuardedStore } from './guarded-store.js';
import { KeyedMutex } from './keyed-mutex.js';
import { encodeMeta, openedMeta, renewedMeta } from './meta.js';
import type { Meta } from './meta.js';
import { orderOf, ROW, under } from './row-keys.js';
import type { Log } from './row-keys.js';
import type { Logger, Runtime } from './runtime.js';
import type { AgentStore } from './store.js';
import { StoreTransaction } from './store-transaction.js';
import type { TrustPolicy } from './trust.js';

/** What an agent is made of. */
export interface AgentParts {
  readonly name: string;
  readonly keyPair: AgentKeyPair;
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
  readonly keyPair: AgentKeyPair;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly policy: TrustPolicy;
  readonly requireOneTimePrekey: boolean;
  readonly store: GuardedStore;
  readonly events: EventEmitter;
  /** By aid in hex: load→commit of one peer never interleaves. */
  readonly peers = new KeyedMutex();
  readonly #orders = new Map<Log, number>();
  #meta: Meta;
  #closed = false;

  private constructor(parts: AgentParts, store: GuardedStore, meta: Meta) {
    this.name = parts.name;
    this.keyPair = parts.keyPair;
    this.runtime = parts.runtime;
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
      const owner = { aid: parts.keyPair.identity.aid, name: parts.name };
      const meta = openedMeta(await store.get(ROW.meta), owner, parts.runtime.random);
      await store.commit([{ put: ROW.meta, value: encodeMeta(meta) }]);
      const context = new AgentContext(parts, store, meta);
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

  get aid(): Uint8Array {
    return this.keyPair.identity.aid;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whose words we write, now. */
  author(): Author {
    const { keyPair, runtime } = this;
    return { keyPair, meta: this.#meta, nowMs: runtime.now(), random: runtime.random };
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

  /** Key of the next row of a log. */
  nextKey(log: Log): string {
    const order = (this.#orders.get(log) ?? 0) + 1;
    this.#orders.set(log, order);
    return ROW.log(log, order);
  }

  /** A new instance after a rollback: committed before anything is sent under it. */
  async renewInstance(): Promise<void> {
    const meta = renewedMeta(this.#meta, this.runtime.random);
    await this.store.commit([{ put: ROW.meta, value: encodeMeta(meta) }]);
    this.#meta = meta;
  }

  /** No new work from now on. */
  close(): void {
    this.#closed = true;
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
