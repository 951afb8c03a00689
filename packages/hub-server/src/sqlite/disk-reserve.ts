/**
 * Space set aside for the day when the disk is full: a file of zeros beside the database.
 * Owns that file. It is given up at the first write that finds no room, so that acknowledgements,
 * which free space, can still be written; it is filled again when there is room.
 */
import { rmSync } from 'node:fs';
import { replacePrivateFile } from '../private-files.js';

/** Held from the opening of a store to its end, except while the disk is full. */
export class DiskReserve {
  readonly #path: string;
  readonly #bytes: number;
  #isHeld = false;

  constructor(path: string, bytes: number) {
    this.#path = path;
    this.#bytes = bytes;
  }

  /** Sets the space aside; where there is none, there is no reserve. */
  hold(): void {
    if (this.#isHeld) return;
    try {
      replacePrivateFile(this.#path, new Uint8Array(this.#bytes));
      this.#isHeld = true;
    } catch {
      this.release();
    }
  }

  /** Gives the space back to the file system. */
  release(): void {
    this.#isHeld = false;
    rmSync(this.#path, { force: true });
  }
}
