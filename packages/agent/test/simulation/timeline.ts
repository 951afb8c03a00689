/**
 * Virtual time: everything that happens is an event of this one queue, and the clock jumps to the
 * next. Owns the order: by time, then by the order of the calls. Between two events every promise
 * that can go on has gone on, so that the same events give the same run.
 */

interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly task: () => void;
  cancelled: boolean;
}

/** Where virtual time begins: any date will do. */
const BEGIN_MS = 1_700_000_000_000;

export class Timeline {
  /** A binary heap. */
  readonly #heap: Entry[] = [];
  #nowMs = BEGIN_MS;
  #order = 0;
  /** Events so far. */
  steps = 0;
  /** Above 1, periodic work is done less often: nothing else is going on. */
  idleness = 1;

  get nowMs(): number {
    return this.#nowMs;
  }

  get elapsedMs(): number {
    return this.#nowMs - BEGIN_MS;
  }

  /** Runs a task in `delayMs`; returns what calls it off. */
  after(delayMs: number, task: () => void): () => void {
    const atMs = this.#nowMs + Math.max(0, delayMs);
    const entry: Entry = { atMs, order: this.#order++, task, cancelled: false };
    this.#push(entry);
    return () => {
      entry.cancelled = true;
    };
  }

  /** Lets time pass until the end of the span, or until `isOver`, which is asked every second. */
  async pass(spanMs: number, isOver: () => boolean = () => false): Promise<boolean> {
    const endMs = this.#nowMs + spanMs;
    let askedMs = this.#nowMs;
    for (;;) {
      if (this.#nowMs - askedMs >= 1_000) {
        if (isOver()) return true;
        askedMs = this.#nowMs;
      }
      const next = this.#heap[0];
      if (next === undefined || next.atMs > endMs) break;
      await this.#step();
    }
    this.#nowMs = endMs;
    return isOver();
  }

  async #step(): Promise<void> {
    const entry = this.#pop();
    this.#nowMs = Math.max(this.#nowMs, entry.atMs);
    if (entry.cancelled) return;
    this.steps += 1;
    entry.task();
    await quiet();
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (isBefore(heap[parent]!, entry)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): Entry {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (isBefore(last, heap[child]!)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

/** Resolves when no promise can go on without a further event: a turn of the real event loop. */
function quiet(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
