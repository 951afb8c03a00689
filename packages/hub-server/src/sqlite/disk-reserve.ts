/**
 * Space set aside for the day when the disk is full: a file of zeros beside the database.
 * Owns that file. It is given up at the first write that finds no room, so that acknowledgements,
 * which free space, can still be written; it is filled again when there is room.
 */
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs';

const PRIVATE_FILE = 0o600;

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
      fill(this.#path, new Uint8Array(this.#bytes));
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

function fill(path: string, zeros: Uint8Array): void {
  const file = openSync(path, 'w', PRIVATE_FILE);
  try {
    writeSync(file, zeros);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
