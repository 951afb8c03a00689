/**
 * What the parts of one running agent share: who it is, its store, clock, locks, events and policy.
 * Owns that nothing new begins once the agent is closed or its store has failed; decides nothing
 * else.
 */
import type { AgentKeyPair, AgentMeshError } from '@agentmesh/crypto';
import { PROTOCOL_LIMITS } from '@agentmesh/protocol';
import type { Clock } from '@agentmesh/protocol';
import type { TrustPolicy } from './conversation/trust.js';
import { AgentError } from './ground/errors.js';
import { HubClock } from './ground/hub-clock.js';
import { KeepAlive } from './ground/keep-alive.js';
import { Pauses } from './ground/pauses.js';
import { KeyedMutex } from './ground/keyed-mutex.js';
import type { Logger, Runtime } from './ground/runtime.js';
import { SharedLock } from './ground/shared-lock.js';
import { waitingClock } from './ground/waiting-clock.js';
import { EventEmitter } from './message/events.js';
import { Self } from './self/self.js';
import { GuardedStore } from './store/guarded-store.js';
import { LogOrder } from './store/log-order.js';
import { StoreTransaction } from './store/store-transaction.js';
import type { AgentStore } from './store/store.js';

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
  readonly hasHub: boolean;
  /** Whether a later run has the same keys, and the same store. */
  readonly keepsKeys: boolean;
  readonly keepsStore: boolean;
}

/** One opening of one agent's store. */
export class AgentContext {
  readonly name: string;
  readonly self: Self;
  readonly runtime: Runtime;
  /** For waits: never goes back, and means nothing in another run. */
  readonly waits: Clock;
  readonly log: Logger;
  readonly policy: TrustPolicy;
  readonly requireOneTimePrekey: boolean;
  readonly keepsKeys: boolean;
  readonly keepsStore: boolean;
  readonly store: GuardedStore;
  readonly logs: LogOrder;
  readonly events: EventEmitter;
  readonly keepAlive: KeepAlive;
  readonly hubClock: HubClock;
  /** Waits of what its program has asked for. */
  readonly pauses: Pauses;
  /** The largest envelope that the hub takes, as far as it has said. */
  envelopeBytes: number = PROTOCOL_LIMITS.blobBytes;
  /** By aid in hex: load→commit of one peer never interleaves. */
  readonly peers = new KeyedMutex();
  /** Shared by whoever speaks or begins sessions; a change of identity has it for itself. */
  readonly identityLock = new SharedLock();
  #refusesCalls = false;
  #closed = false;

  private constructor(
    parts: AgentParts,
    opened: { readonly store: GuardedStore; readonly self: Self; readonly logs: LogOrder },
  ) {
    this.name = parts.name;
    this.self = opened.self;
    this.runtime = parts.runtime;
    this.waits = waitingClock(parts.runtime.now);
    this.hubClock = new HubClock(parts.runtime.now, parts.runtime.steady);
    this.keepAlive = new KeepAlive(parts.runtime);
    this.pauses = new Pauses(parts.runtime);
    this.log = parts.log;
    this.policy = parts.policy;
    this.requireOneTimePrekey = parts.requireOneTimePrekey;
    this.keepsKeys = parts.keepsKeys;
    this.keepsStore = parts.keepsStore;
    this.store = opened.store;
    this.logs = opened.logs;
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
      const self = await Self.open(store, parts);
      return new AgentContext(parts, { store, self, logs: await LogOrder.after(store) });
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** A new transaction; throws once the agent is closed or its store has failed. */
  transaction(): StoreTransaction {
    if (this.store.failure !== null) throw this.store.failure;
    if (this.#closed) throw new AgentError('CLOSED');
    return new StoreTransaction(this.store);
  }

  /** Throws where nothing can be asked of this agent any more. */
  assertRunning(): void {
    if (this.store.failure !== null) throw this.store.failure;
    if (this.#refusesCalls) throw new AgentError('CLOSED');
  }

  /** Its program asks for nothing more; what was begun goes on. */
  refuseCalls(): void {
    this.#refusesCalls = true;
    this.pauses.end();
  }

  /** No new work from now on. */
  close(): void {
    this.#closed = true;
  }

  /** Lets go of the store, with the mark of a clean end if it can still be written. */
  async release(): Promise<void> {
    if (this.store.failure === null) {
      // A store that cannot take it has said so; the next opening then begins a new run.
      await this.store.commitLast(this.self.closing()).catch(() => undefined);
    }
    await this.store.close();
  }
}

/** Class of an error for a log line: its text may hold what an application wrote. */
export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
