/**
 * For how long processes were ready to run and had no processor, as a loaded machine has it. Owns
 * the sum; a process's own count is its `child`'s.
 */
import type { Child } from './child.js';

/** The sum since it was made. */
export class Starvation {
  readonly #children: () => readonly (Pick<Child, 'waitedMs'> | null)[];
  readonly #nowMs: () => number;
  readonly #waited = new WeakMap<object, number>();
  #lookedMs: number;
  #totalMs = 0;

  constructor(children: () => readonly (Pick<Child, 'waitedMs'> | null)[], nowMs: () => number) {
    this.#children = children;
    this.#nowMs = nowMs;
    this.#lookedMs = nowMs();
    for (const child of children()) if (child !== null) this.#waited.set(child, child.waitedMs);
  }

  /** Everybody waits for whoever waited longest since the last look. */
  look(): void {
    let longest = 0;
    for (const child of this.#children()) {
      if (child === null) continue;
      const { waitedMs } = child;
      longest = Math.max(longest, waitedMs - (this.#waited.get(child) ?? 0));
      this.#waited.set(child, waitedMs);
    }
    // A process may have waited on several processors at once, or since before the last look.
    const nowMs = this.#nowMs();
    this.#totalMs += Math.min(longest, nowMs - this.#lookedMs);
    this.#lookedMs = nowMs;
  }

  get totalMs(): number {
    return this.#totalMs;
  }
}
