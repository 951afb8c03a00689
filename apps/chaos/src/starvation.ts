/**
 * For how long processes were ready to run and had no processor, as a loaded machine has it. Owns
 * the sum; a process's own count is its `child`'s.
 */
import type { Child } from './child.js';

/** The sum since it was made. */
export class Starvation {
  readonly #children: () => readonly (Pick<Child, 'waits'> | null)[];
  readonly #nowMs: () => number;
  /** By process and thread, at the last look. */
  readonly #waited = new WeakMap<object, ReadonlyMap<string, number>>();
  #lookedMs: number;
  #totalMs = 0;

  constructor(children: () => readonly (Pick<Child, 'waits'> | null)[], nowMs: () => number) {
    this.#children = children;
    this.#nowMs = nowMs;
    this.#lookedMs = nowMs();
    for (const child of children()) if (child !== null) this.#waited.set(child, child.waits);
  }

  /** Everybody waits for the thread that waited longest since the last look. */
  look(): void {
    let longest = 0;
    for (const child of this.#children()) {
      if (child === null) continue;
      const { waits } = child;
      const before = this.#waited.get(child);
      for (const [thread, waitedMs] of waits) {
        longest = Math.max(longest, waitedMs - (before?.get(thread) ?? 0));
      }
      this.#waited.set(child, waits);
    }
    // A thread may have waited since before the last look.
    const nowMs = this.#nowMs();
    this.#totalMs += Math.min(longest, nowMs - this.#lookedMs);
    this.#lookedMs = nowMs;
  }

  get totalMs(): number {
    return this.#totalMs;
  }
}
