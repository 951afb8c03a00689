/**
 * Keys with a time at which each is due, earliest first. Owns a binary heap and its bookkeeping;
 * does not own a clock, nor what the keys mean.
 */

interface Appointment {
  readonly key: string;
  readonly atMs: number;
}

/** One time per key; setting it again moves it. Equal times come in no particular order. */
export class ExpiryAgenda {
  readonly #times = new Map<string, number>();
  /** Min-heap by time. A moved or deleted key leaves a stale appointment, skipped when met. */
  #heap: Appointment[] = [];

  get size(): number {
    return this.#times.size;
  }

  /** Entries in memory, stale ones included. */
  get appointments(): number {
    return this.#heap.length;
  }

  set(key: string, atMs: number): void {
    if (this.#times.get(key) === atMs) return;
    this.#times.set(key, atMs);
    this.#push({ key, atMs });
    // Stale appointments never outnumber the live ones: memory stays bounded by the keys.
    if (this.#heap.length > 2 * this.#times.size + 64) this.#rebuild();
  }

  delete(key: string): void {
    this.#times.delete(key);
  }

  /** Whether anything is due at `nowMs`. */
  isDue(nowMs: number): boolean {
    this.#dropStale();
    const first = this.#heap[0];
    return first !== undefined && first.atMs <= nowMs;
  }

  /** Removes and returns the key that is due first, or null if none is due at `nowMs`. */
  take(nowMs: number): string | null {
    if (!this.isDue(nowMs)) return null;
    const first = this.#pop();
    if (first === null) return null;
    this.#times.delete(first.key);
    return first.key;
  }

  #dropStale(): void {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || this.#times.get(first.key) === first.atMs) return;
      this.#pop();
    }
  }

  #rebuild(): void {
    this.#heap = [...this.#times].map(([key, atMs]) => ({ key, atMs }));
    this.#heap.sort((a, b) => a.atMs - b.atMs);
  }

  #push(appointment: Appointment): void {
    let at = this.#heap.push(appointment) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = this.#heap[parent];
      if (above === undefined || above.atMs <= appointment.atMs) break;
      this.#heap[at] = above;
      at = parent;
    }
    this.#heap[at] = appointment;
  }

  #pop(): Appointment | null {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (first === undefined || last === undefined) return null;
    if (this.#heap.length > 0) this.#sink(last);
    return first;
  }

  /** Puts `appointment` in the place of the first one and restores the order. */
  #sink(appointment: Appointment): void {
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const child = this.#timeAt(left + 1) < this.#timeAt(left) ? left + 1 : left;
      const below = this.#heap[child];
      if (below === undefined || below.atMs >= appointment.atMs) break;
      this.#heap[at] = below;
      at = child;
    }
    this.#heap[at] = appointment;
  }

  #timeAt(index: number): number {
    return this.#heap[index]?.atMs ?? Number.POSITIVE_INFINITY;
  }
}
