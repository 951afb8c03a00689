/**
 * A lock that many share or one has alone: code that acts for an identity shares it, and a change
 * of identity has it alone (protocol.md §2.13). Owns the waiting only. Code that shares it must not
 * take it again.
 */
export class SharedLock {
  #sharing = 0;
  #drained: PromiseWithResolvers<void> | null = null;
  #alone: Promise<void> | null = null;

  /** Runs the task beside other shared ones, never during an exclusive one. */
  async shared<T>(task: () => Promise<T>): Promise<T> {
    const release = await this.share();
    try {
      return await task();
    } finally {
      release();
    }
  }

  /** Takes a share of the lock; it ends when the returned function is called. */
  async share(): Promise<() => void> {
    while (this.#alone !== null) await this.#alone;
    this.#sharing += 1;
    return () => {
      this.#sharing -= 1;
      if (this.#sharing === 0) this.#drained?.resolve();
    };
  }

  /** Runs the task when no other one runs; those that come meanwhile wait for its end. */
  async exclusive<T>(task: () => Promise<T>): Promise<T> {
    while (this.#alone !== null) await this.#alone;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#alone = promise;
    try {
      if (this.#sharing > 0) {
        this.#drained = Promise.withResolvers();
        await this.#drained.promise;
        this.#drained = null;
      }
      return await task();
    } finally {
      this.#alone = null;
      resolve();
    }
  }
}
