/**
 * Whether the process has to go on because of an agent: while somebody awaits something of it, or
 * something runs that was promised. Owns the count and the one handle that keeps a process running;
 * what counts is for those to say who wait or work.
 */
import type { Runtime } from './runtime.js';

/** Called with whether the process is needed now; saying the same again changes nothing. */
export type Holder = (isNeeded: boolean) => void;

/** One per agent. */
export class KeepAlive {
  readonly #runtime: Pick<Runtime, 'hold'>;
  #holding = 0;
  #release: (() => void) | null = null;
  #ended = false;

  constructor(runtime: Pick<Runtime, 'hold'>) {
    this.#runtime = runtime;
  }

  /** Keeps the process running until the returned function is called. */
  hold(): () => void {
    let isHeld = true;
    this.#holding += 1;
    this.#update();
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#holding -= 1;
      this.#update();
    };
  }

  /** Keeps the process running until a task has ended. */
  async during<T>(task: Promise<T>): Promise<T> {
    const release = this.hold();
    try {
      return await task;
    } finally {
      release();
    }
  }

  /** For one who needs the process now and then. */
  holder(): Holder {
    let release: (() => void) | null = null;
    return (isNeeded) => {
      if (isNeeded) release ??= this.hold();
      else {
        release?.();
        release = null;
      }
    };
  }

  /** The agent has ended: whatever is still counted keeps nothing running. */
  end(): void {
    this.#ended = true;
    this.#update();
  }

  #update(): void {
    if (this.#holding > 0 && !this.#ended) this.#release ??= this.#runtime.hold();
    else {
      this.#release?.();
      this.#release = null;
    }
  }
}
