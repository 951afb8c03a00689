/**
 * Keys with a time at which each is due, earliest first. Owns a binary heap and its bookkeeping;
 * does not own a clock, nor what the keys mean.
 */

interface Appointment {
  readonly key: string;
  readonly atMs: number;
  /** Among equal times. */
  readonly no: number;
}

/** One time per key; setting it again moves it. Equal times come in the order of setting them. */
export class ExpiryAgenda {
  readonly #appointments = new Map<string, Appointment>();
  /** Min-heap by time. A moved or deleted key leaves a stale appointment, skipped when met. */
  #heap: Appointment[] = [];
  #set = 0;

  get size(): number {
    return this.#appointments.size;
  }

  /** Entries in memory, stale ones included. */
  get appointments(): number {
    return this.#heap.length;
  }

  set(key: string, atMs: number): void {
    if (this.#appointments.get(key)?.atMs === atMs) return;
    const appointment = { key, atMs, no: this.#set };
    this.#set += 1;
    this.#appointments.set(key, appointment);
    this.#push(appointment);
    // Stale appointments never outnumber the live ones: memory stays bounded by the keys.
    if (this.#heap.length > 2 * this.size + 64) this.#rebuild();
  }

  delete(key: string): void {
    this.#appointments.delete(key);
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
    this.#appointments.delete(first.key);
    return first.key;
  }

  #dropStale(): void {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || this.#appointments.get(first.key) === first) return;
      this.#pop();
    }
  }

  #rebuild(): void {
    this.#heap = [...this.#appointments.values()].toSorted((a, b) => (isBefore(a, b) ? -1 : 1));
  }

  #push(appointment: Appointment): void {
    let at = this.#heap.push(appointment) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = this.#heap[parent];
      if (above === undefined || !isBefore(appointment, above)) break;
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
      const [one, other] = [this.#heap[left], this.#heap[left + 1]];
      const isOther = one !== undefined && other !== undefined && isBefore(other, one);
      const below = isOther ? other : one;
      if (below === undefined || !isBefore(below, appointment)) break;
      this.#heap[at] = below;
      at = isOther ? left + 1 : left;
    }
    this.#heap[at] = appointment;
  }
}

function isBefore(one: Appointment, other: Appointment): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.no < other.no);
}
