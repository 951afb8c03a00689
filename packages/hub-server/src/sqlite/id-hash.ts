/**
 * A keyed hash of (sender, envelope id) for tables in memory and on disk.
 * Owns a multilinear hash over the 32-bit prime field: for any two different inputs both halves
 * collide with a probability of about 2^-64 over the choice of the key, so a sender that picks ids
 * cannot aim at one slot of a table. No security rests on it beyond that.
 */

const PRIME = 4294967291;
/** Eight words of the id and two of the sender's number. */
const WORDS = 10;

/** Bytes of a key: one multiplier per word and half, and one constant per half. */
export const HASH_KEY_BYTES = 4 * 2 * (WORDS + 1);

/** Where an id belongs: one of 256 shards, and a fingerprint that is never 0. */
export interface IdHash {
  readonly shard: number;
  readonly print: number;
}

/** The hash under one key. Products stay below 2^48 and their sums below 2^53: exact as numbers. */
export class IdHasher {
  readonly #factors: Float64Array;

  constructor(key: Uint8Array) {
    const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
    this.#factors = Float64Array.from({ length: 2 * (WORDS + 1) }, (_, at) =>
      view.getUint32(4 * at),
    );
  }

  /** `at` is where the 16 bytes of the id begin. */
  hash(sender: number, bytes: Uint8Array, at: number): IdHash {
    const print = this.#half(WORDS + 1, { sender, bytes, at });
    return { shard: this.#half(0, { sender, bytes, at }) & 0xff, print: print === 0 ? 1 : print };
  }

  #half(
    from: number,
    { sender, bytes, at }: { sender: number; bytes: Uint8Array; at: number },
  ): number {
    const factors = this.#factors;
    let sum = factors[from] ?? 0;
    for (let word = 0; word < 8; word++) {
      const high = bytes[at + 2 * word] ?? 0;
      const low = bytes[at + 2 * word + 1] ?? 0;
      sum += (factors[from + 1 + word] ?? 0) * (high * 256 + low);
    }
    sum += (factors[from + 9] ?? 0) * (sender & 0xffff);
    sum += (factors[from + 10] ?? 0) * (sender >>> 16);
    return sum % PRIME;
  }
}
