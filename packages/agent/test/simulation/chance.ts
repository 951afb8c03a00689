/**
 * All chance of one simulated run, from one number. Owns the generator (sfc32) and what is drawn
 * from it; each machine draws from a stream of its own, so that one's draws do not shift another's.
 */
import type { RandomSource } from '@agentmesh/crypto';

/** A stream of repeatable draws. Predictable by design. */
export class Chance {
  readonly #seed: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number | string) {
    this.#seed = String(seed);
    [this.#a, this.#b, this.#c] = [hash(`a${seed}`), hash(`b${seed}`), hash(`c${seed}`)];
    for (let round = 0; round < 12; round++) this.next();
  }

  /** An independent stream: the same name gives the same one. */
  fork(name: string): Chance {
    return new Chance(`${this.#seed}/${name}`);
  }

  /** 32 random bits. */
  next(): number {
    const result = (this.#a + this.#b + this.#counter) >>> 0;
    this.#counter = (this.#counter + 1) >>> 0;
    this.#a = (this.#b ^ (this.#b >>> 9)) >>> 0;
    this.#b = (this.#c + (this.#c << 3)) >>> 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) >>> 0;
    return result;
  }

  /** A number from 0 to 1, 1 excluded. */
  share(): number {
    return this.next() / 2 ** 32;
  }

  /** A whole number from 0 to `bound` - 1. */
  below(bound: number): number {
    return Math.floor(this.share() * bound);
  }

  /** A number between the two. */
  between(low: number, high: number): number {
    return low + this.share() * (high - low);
  }

  /** True with this probability. */
  flip(probability: number): boolean {
    return this.share() < probability;
  }

  pick<T>(list: readonly T[]): T {
    const picked = list[this.below(list.length)];
    if (picked === undefined) throw new RangeError('nothing to pick from');
    return picked;
  }

  shuffled<T>(list: readonly T[]): T[] {
    const drawn = list.map((item) => ({ item, at: this.next() }));
    return drawn.toSorted((a, b) => a.at - b.at).map(({ item }) => item);
  }

  /** Most draws near `low`, a few up to `high`: how long things take. */
  skewed(low: number, high: number): number {
    return low * (high / low) ** (this.share() ** 3);
  }

  /** What an agent or a hub is handed as its randomness. */
  readonly bytes: RandomSource = (length) => Uint8Array.from({ length }, () => this.next() >>> 24);
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    value = Math.imul(value ^ text.charCodeAt(at), 0x01000193) >>> 0;
  }
  return value;
}
