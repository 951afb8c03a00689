/**
 * Messages by the time at which they are due, in buckets of one second. Owns the order of the
 * buckets and no clock; within a bucket there is no order.
 */

const BUCKET_MS = 1_000;

interface Due {
  readonly atMs: number;
  readonly seq: number;
}

/** A bag of sequences, taken out when their time has come. */
export class DueList {
  readonly #buckets = new Map<number, Due[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(due: Due): void {
    const key = Math.floor(due.atMs / BUCKET_MS);
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) this.#buckets.set(key, [due]);
    else bucket.push(due);
    this.#size += 1;
  }

  clear(): void {
    this.#buckets.clear();
    this.#size = 0;
  }

  isDue(nowMs: number): boolean {
    return this.#keysUpTo(nowMs).some((key) =>
      (this.#buckets.get(key) ?? []).some((due) => due.atMs <= nowMs),
    );
  }

  /** Removes and returns up to `max` that are due at `nowMs`. */
  take(nowMs: number, max: number): readonly number[] {
    const seqs: number[] = [];
    for (const key of this.#keysUpTo(nowMs)) {
      const left: Due[] = [];
      for (const due of this.#buckets.get(key) ?? []) {
        if (due.atMs > nowMs || seqs.length >= max) left.push(due);
        else seqs.push(due.seq);
      }
      if (left.length === 0) this.#buckets.delete(key);
      else this.#buckets.set(key, left);
      if (seqs.length >= max) break;
    }
    this.#size -= seqs.length;
    return seqs;
  }

  #keysUpTo(nowMs: number): readonly number[] {
    const last = Math.floor(nowMs / BUCKET_MS);
    return [...this.#buckets.keys()].filter((key) => key <= last).toSorted((a, b) => a - b);
  }
}
