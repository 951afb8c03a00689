/**
 * One task at a time for each key, so that one hub does not compete with itself over one document.
 * Owns the order; other hubs are kept apart by compare-and-set.
 */

/** Tasks of different keys run side by side, those of one key in the order of the calls. */
export class KeyedTasks {
  readonly #last = new Map<string, Promise<unknown>>();

  run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const result = before === undefined ? task() : before.then(task, task);
    this.#last.set(key, result);
    const forget = (): void => {
      if (this.#last.get(key) === result) this.#last.delete(key);
    };
    result.then(forget, forget);
    return result;
  }
}
