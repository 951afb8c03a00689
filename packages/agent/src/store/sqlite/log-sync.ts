/**
 * When the write-ahead log is on the disk: synced beside the event loop, through a descriptor of
 * its own. SQLite holds no locks on the log that closing this would drop, and for the life of an
 * opened store the log is one file.
 */
import { closeSync, fdatasync, ftruncateSync, openSync } from 'node:fs';
import { logOf } from './open-files.js';

/** The log of one open database. */
export class LogSync {
  readonly #descriptor: number;

  constructor(path: string) {
    this.#descriptor = openSync(logOf(path), 'r+');
  }

  /** Resolves when every commit before this call is on the disk. */
  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fdatasync(this.#descriptor, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  /** Gives back what a transaction wrote behind so many bytes, after SQLite rolled it back. */
  cut(bytes: number): void {
    ftruncateSync(this.#descriptor, bytes);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
