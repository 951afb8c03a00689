/**
 * The bytes of one disk: what was written, and how much of it is safe. Owns what a lost process and
 * a lost power supply leave behind, and decay. Knows nothing of rows.
 */
import type { Chance } from './chance.js';

/** What the next writes and reads of a disk meet. */
export type DiskFault = 'full' | 'broken' | null;

export class Disk {
  #writes: Uint8Array[];
  /** How many writes are safe. */
  #synced: number;
  fault: DiskFault = null;
  hasDecayed = false;

  constructor(writes: readonly Uint8Array[] = []) {
    this.#writes = [...writes];
    this.#synced = writes.length;
  }

  /** Everything that can be read after a start. */
  contents(): Uint8Array {
    return Buffer.concat(this.#writes);
  }

  get writes(): number {
    return this.#writes.length;
  }

  get synced(): number {
    return this.#synced;
  }

  /** Into the cache of the operating system: may be lost, whole or in part. */
  write(bytes: Uint8Array): void {
    this.#writes.push(bytes);
  }

  /** The first `count` writes are safe from now on. */
  sync(count: number): void {
    this.#synced = Math.max(this.#synced, count);
  }

  /** Takes back what is not safe: a write that failed. */
  takeBack(): void {
    this.#writes.length = this.#synced;
  }

  /** Cuts off what cannot be read. */
  truncate(length: number): void {
    this.#writes = [this.contents().slice(0, length)];
    this.#synced = 1;
  }

  /** A process has died: the operating system still has what it wrote. */
  loseProcess(): void {
    this.#synced = this.#writes.length;
  }

  /** Power is gone: of what was not safe any beginning is left, down to the byte. */
  losePower(chance: Chance): void {
    const kept = this.#synced + chance.below(this.#writes.length - this.#synced + 1);
    const torn = this.#writes[kept];
    this.#writes.length = kept;
    if (torn !== undefined) this.#writes.push(torn.slice(0, chance.below(torn.length)));
    this.#synced = this.#writes.length;
  }

  /** One bit of a safe write flips. */
  decay(chance: Chance): void {
    const at = chance.below(this.#synced);
    // A copy: images of the disk keep what was written.
    const rotten = Uint8Array.from(this.#writes[at] ?? []);
    if (rotten.length === 0) return;
    const position = chance.below(rotten.length);
    rotten[position] = (rotten[position] ?? 0) ^ (1 << chance.below(8));
    this.#writes[at] = rotten;
    this.hasDecayed = true;
  }

  /** An image of all that is safe now. */
  image(): readonly Uint8Array[] {
    return this.#writes.slice(0, this.#synced);
  }

  /**
   * A copy made while a process writes: any beginning of what is written, down to the byte, but
   * nothing of what is safe is missing if it was made `whole`.
   */
  copy(chance: Chance, whole: boolean): readonly Uint8Array[] {
    const least = whole ? this.#synced : chance.below(this.#synced + 1);
    const kept = least + chance.below(this.#writes.length - least + 1);
    const torn = this.#writes[kept];
    const begun = torn === undefined ? [] : [torn.slice(0, chance.below(torn.length))];
    return [...this.#writes.slice(0, kept), ...begun];
  }
}
