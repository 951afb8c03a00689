/**
 * Deletes rows whose work is done, many with one commit. Owns the collecting; a row that a crash
 * leaves behind is only work done once more, never work lost.
 */
import type { AgentStore } from './store.js';

/** Collects keys while a commit is under way. */
export class RowSweeper {
  readonly #store: AgentStore;
  #keys = new Set<string>();
  #sweeping: Promise<void> | null = null;

  constructor(store: AgentStore) {
    this.#store = store;
  }

  delete(key: string): void {
    this.#keys.add(key);
    this.#sweeping ??= this.#sweep();
  }

  /** Resolves when nothing is left to delete. */
  async idle(): Promise<void> {
    await this.#sweeping;
  }

  async #sweep(): Promise<void> {
    // One turn later, so that what ends together is deleted together.
    await Promise.resolve();
    while (this.#keys.size > 0) {
      const keys = [...this.#keys];
      this.#keys = new Set();
      try {
        await this.#store.commit(keys.map((key) => ({ delete: key })));
      } catch {
        // The store has stopped the agent and says why; these rows will be met again.
        break;
      }
    }
    this.#sweeping = null;
  }
}
