/**
 * For how long processes were ready to run and had no processor, as a loaded machine has it. Owns
 * the sum; a process's own count is its `child`'s.
 */
import type { Child } from './child.js';

/** The sum since it was made. */
export class Starvation {
  readonly #children: () => readonly (Pick<Child, 'waitedMs'> | null)[];
  readonly #waited = new WeakMap<object, number>();
  #totalMs = 0;

  constructor(children: () => readonly (Pick<Child, 'waitedMs'> | null)[]) {
    this.#children = children;
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
    this.#totalMs += longest;
  }

  get totalMs(): number {
    return this.#totalMs;
  }
}
