/**
 * One task at a time per key, in the order of the calls; tasks of different keys run side by side.
 * Owns the queues only. Keys are peers, so that load→commit of one peer never interleaves
 * (protocol.md §2.8 step 3), and one-time prekeys, which two peers may both claim.
 */
export class KeyedMutex {
  /** By key: the last task, and the end of its queue. */
  readonly #last = new Map<string, Promise<unknown>>();
  readonly #tails = new Map<string, Promise<void>>();

  /** Runs the task when every earlier one with this key has ended, however it ended. */
  run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const result = before.then(task);
    this.#last.set(key, result);
    this.#tails.set(key, this.#passOn(key, result));
    return result;
  }

  /** Takes the turn of one task; it ends when the returned function is called. */
  lock(key: string): Promise<() => void> {
    return new Promise((taken) => {
      const { promise: held, resolve: release } = Promise.withResolvers<void>();
      void this.run(key, () => {
        taken(release);
        return held;
      });
    });
  }

  /** Resolves when no task runs or waits any more. */
  async idle(): Promise<void> {
    while (this.#tails.size > 0) await Promise.all(this.#tails.values());
  }

  /** Ends when the task ends; its failure belongs to the caller, the queue goes on. */
  async #passOn(key: string, result: Promise<unknown>): Promise<void> {
    await Promise.allSettled([result]);
    // Nobody waits any more when this is still the last one.
    if (this.#last.get(key) === result) {
      this.#last.delete(key);
      this.#tails.delete(key);
    }
  }
}
