/**
 * Waits that end early with whom they serve, so that nothing awaited outlives its agent without a
 * word. Owns the waits that are open; what follows from an early end is for those to say who wait.
 */
import type { Runtime } from './runtime.js';

/** The pauses of one part of an agent. */
export class Pauses {
  readonly #runtime: Pick<Runtime, 'schedule'>;
  readonly #open = new Set<() => void>();
  #isOver = false;

  constructor(runtime: Pick<Runtime, 'schedule'>) {
    this.#runtime = runtime;
  }

  /** Resolves after this time, or at once when there is nothing more to wait for. */
  pause(delayMs: number): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        this.#open.delete(end);
        cancel();
        resolve();
      };
      const cancel = this.#runtime.schedule(delayMs, end);
      this.#open.add(end);
    });
  }

  /** All of them end, and those that would begin. */
  end(): void {
    this.#isOver = true;
    for (const end of this.#open) end();
  }
}
