/**
 * Deletes rows whose work is done, many with one commit, together with what takes their place. Owns
 * the collecting; a row that a crash leaves behind is only work done once more, never work lost.
 */
import type { Runtime } from '../ground/runtime.js';
import type { AgentStore, StoreOperation } from './store.js';

/** How long a deletion waits for a commit to go with. */
const LATER_MS = 200;

/** Collects operations while a commit is under way. */
export class RowSweeper {
  readonly #store: AgentStore;
  readonly #schedule: Runtime['schedule'];
  /** Keys of rows that are met again after a crash without harm. */
  readonly #later: string[] = [];
  #operations: StoreOperation[] = [];
  /** Ends with the commit that takes what is collected now. */
  #next: PromiseWithResolvers<void> | null = null;
  /** The one before it. */
  #running: PromiseWithResolvers<void> | null = null;
  #isSweeping = false;

  constructor(store: AgentStore, { schedule }: Pick<Runtime, 'schedule'>) {
    this.#store = store;
    this.#schedule = schedule;
  }

  /** Deletes a row with the next commit of anything, or in a moment: one sync less. */
  deleteLater(key: string): void {
    if (this.#later.push(key) > 1) return;
    this.#schedule(LATER_MS, () => {
      for (const each of this.#later.splice(0)) this.delete(each);
    });
  }

  /** What goes with the commit that is made now. */
  riders(): readonly StoreOperation[] {
    return this.#later.splice(0).map((key) => ({ delete: key }));
  }

  /** Deletes a row; `instead` is written in the same commit. */
  delete(key: string, instead: readonly StoreOperation[] = []): void {
    this.#operations.push({ delete: key }, ...instead);
    this.#next ??= Promise.withResolvers();
    if (!this.#isSweeping) void this.#sweep();
  }

  /** Resolves when all that was given up to now is done, whatever comes meanwhile. */
  async settled(): Promise<void> {
    await (this.#next ?? this.#running)?.promise;
  }

  async #sweep(): Promise<void> {
    this.#isSweeping = true;
    // One turn later, so that what ends together is deleted together.
    await Promise.resolve();
    while (this.#operations.length > 0) {
      const operations = this.#operations;
      this.#running = this.#next;
      this.#operations = [];
      this.#next = null;
      try {
        await this.#store.commit(operations);
      } catch {
        // The store has stopped the agent and says why; these rows will be met again.
        this.#operations = [];
      }
      this.#running?.resolve();
    }
    this.#next?.resolve();
    this.#next = null;
    this.#running = null;
    this.#isSweeping = false;
  }
}
