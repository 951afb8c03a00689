/**
 * From the hash of an id to where it is written: open addressing in typed arrays, 16 to 32 bytes
 * per id. Owns the tables only; equal hashes of different ids are told apart by the caller.
 * Split into 256 shards, so that growing one stops the loop for a fraction of a millisecond.
 */
import type { IdHash } from './id-hash.js';

const SHARDS = 256;
const FIRST_SLOTS = 16;

/** `prints[slot]` is 0 where the slot is free. Linear probing from the print's low bits. */
interface Shard {
  prints: Uint32Array;
  refs: Float64Array;
  used: number;
}

/** A multimap of hashes to numbers. */
export class IdIndex {
  readonly #shards: Shard[] = Array.from({ length: SHARDS }, () => emptyShard(FIRST_SLOTS));
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add({ shard: at, print }: IdHash, ref: number): void {
    const shard = this.#shardAt(at);
    if (shard.used * 4 >= shard.prints.length * 3) grow(shard);
    insert(shard, print, ref);
    this.#size += 1;
  }

  /** The first ref of this hash for which `accepts` holds, or null. */
  find({ shard: at, print }: IdHash, accepts: (ref: number) => boolean): number | null {
    const { prints, refs } = this.#shardAt(at);
    const mask = prints.length - 1;
    for (let slot = print & mask; prints[slot] !== 0; slot = (slot + 1) & mask) {
      const ref = refs[slot] ?? 0;
      if (prints[slot] === print && accepts(ref)) return ref;
    }
    return null;
  }

  /** Forgets one entry; one that is not there is ignored. */
  delete({ shard: at, print }: IdHash, ref: number): void {
    const shard = this.#shardAt(at);
    const { prints, refs } = shard;
    const mask = prints.length - 1;
    let slot = print & mask;
    while (prints[slot] !== 0 && !(prints[slot] === print && refs[slot] === ref)) {
      slot = (slot + 1) & mask;
    }
    if (prints[slot] === 0) return;
    closeGap(shard, slot);
    shard.used -= 1;
    this.#size -= 1;
  }

  #shardAt(at: number): Shard {
    return this.#shards[at] ?? emptyShard(FIRST_SLOTS);
  }
}

function emptyShard(slots: number): Shard {
  return { prints: new Uint32Array(slots), refs: new Float64Array(slots), used: 0 };
}

function insert(shard: Shard, print: number, ref: number): void {
  const { prints, refs } = shard;
  const mask = prints.length - 1;
  let slot = print & mask;
  while (prints[slot] !== 0) slot = (slot + 1) & mask;
  prints[slot] = print;
  refs[slot] = ref;
  shard.used += 1;
}

function grow(shard: Shard): void {
  const bigger = emptyShard(shard.prints.length * 2);
  shard.prints.forEach((print, slot) => {
    if (print !== 0) insert(bigger, print, shard.refs[slot] ?? 0);
  });
  Object.assign(shard, bigger);
}

/** Moves later entries of the probe sequence back, so that no search stops too early. */
function closeGap({ prints, refs }: Shard, from: number): void {
  const mask = prints.length - 1;
  let gap = from;
  for (let slot = (gap + 1) & mask; prints[slot] !== 0; slot = (slot + 1) & mask) {
    const home = (prints[slot] ?? 0) & mask;
    const staysBehindGap = ((slot - home) & mask) < ((slot - gap) & mask);
    if (staysBehindGap) continue;
    prints[gap] = prints[slot] ?? 0;
    refs[gap] = refs[slot] ?? 0;
    gap = slot;
  }
  prints[gap] = 0;
}
