/**
 * Deletes rows whose work is done, many with one commit, together with what takes their place. Owns
 * the collecting; a row that a crash leaves behind is only work done once more, never work lost.
 */
import type { AgentStore, StoreOperation } from './store.js';

/** Collects operations while a commit is under way. */
export class RowSweeper {
  readonly #store: AgentStore;
  #operations: StoreOperation[] = [];
  #sweeping: Promise<void> | null = null;

  constructor(store: AgentStore) {
    this.#store = store;
  }

  /** Deletes a row; `instead` is written in the same commit. */
  delete(key: string, instead: readonly StoreOperation[] = []): void {
    this.#operations.push({ delete: key }, ...instead);
    this.#sweeping ??= this.#sweep();
  }

  /** Resolves when nothing is left to delete. */
  async idle(): Promise<void> {
    await this.#sweeping;
  }

  async #sweep(): Promise<void> {
    // One turn later, so that what ends together is deleted together.
    await Promise.resolve();
    while (this.#operations.length > 0) {
      const operations = this.#operations;
      this.#operations = [];
      try {
        await this.#store.commit(operations);
      } catch {
        // The store has stopped the agent and says why; these rows will be met again.
        break;
      }
    }
    this.#sweeping = null;
  }
}
