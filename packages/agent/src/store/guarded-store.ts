/**
 * A store whose first failure is its last word (protocol.md §2.11 P5): every error becomes a typed
 * one, and after it nothing is read or written any more. Owns that rule only.
 */
import { AgentMeshError } from '@agentmesh/crypto';
import { StorageError } from '../ground/errors.js';
import type { AgentStore, StoreOperation, StoreRange, StoreRow } from './store.js';

/** Wraps an opened store; `onFailure` is called once. */
export class GuardedStore implements AgentStore {
  readonly #store: AgentStore;
  readonly #onFailure: (error: AgentMeshError) => void;
  #failure: AgentMeshError | null = null;
  #isOver = false;
  #riders: () => readonly StoreOperation[] = () => [];

  constructor(store: AgentStore, onFailure: (error: AgentMeshError) => void) {
    this.#store = store;
    this.#onFailure = onFailure;
  }

  /** Why the store is not used any more; null while it is. */
  get failure(): AgentMeshError | null {
    return this.#failure;
  }

  open(): Promise<void> {
    return this.#store.open();
  }

  get(key: string): Promise<Uint8Array | null> {
    return this.#guard(() => this.#store.get(key));
  }

  range(range: StoreRange): Promise<readonly StoreRow[]> {
    return this.#guard(() => this.#store.range(range));
  }

  commit(operations: readonly StoreOperation[]): Promise<void> {
    if (this.#isOver) return Promise.reject(new StorageError('STORE_CLOSED'));
    return this.#guard(() => {
      const riders = this.#riders();
      return this.#store.commit(riders.length === 0 ? operations : [...riders, ...operations]);
    });
  }

  /** Asked at each commit for what is to go with it, before its own operations. */
  carry(riders: () => readonly StoreOperation[]): void {
    this.#riders = riders;
  }

  /** The last commit: whatever is called after it is refused. */
  commitLast(operations: readonly StoreOperation[]): Promise<void> {
    const done = this.commit(operations);
    this.#isOver = true;
    return done;
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  /** Stops all use: the store failed, or a row of it cannot be read. */
  fail(cause: unknown): AgentMeshError {
    if (this.#failure !== null) return this.#failure;
    const failure = finalOf(cause);
    this.#failure = failure;
    this.#onFailure(failure);
    return failure;
  }

  async #guard<T>(use: () => Promise<T>): Promise<T> {
    if (this.#failure !== null) throw this.#failure;
    try {
      return await use();
    } catch (error) {
      throw this.fail(error);
    }
  }
}

/**
 * The agent stops with it: what a retry would cure in a store that goes on, it cures here no more.
 */
function finalOf(cause: unknown): AgentMeshError {
  if (!(cause instanceof AgentMeshError)) return new StorageError('STORE_FAILED', undefined, cause);
  if (!(cause instanceof StorageError) || !cause.retryable) return cause;
  return new StorageError(cause.code, 'the agent has stopped: start it again', cause, true);
}
