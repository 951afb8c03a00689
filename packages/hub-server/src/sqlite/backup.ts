/**
 * A copy of a database in use, in one file that a hub can start with. Owns how the copy is made,
 * and that it is whole or absent: it gets its name when it is on the disk. What is in it is as it
 * was at one moment; the hub goes on meanwhile.
 */
import { closeSync, fsyncSync, lstatSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { createPrivateFile, keepingFault, syncFolder } from '../private-files.js';
import { forgetUse, openFile } from './open-database.js';
import { HubStoreError, storeErrorOf } from './store-error.js';

/** Pages between two looks at the rest of the hub: a megabyte. */
const PAGES_AT_ONCE = 256;
/** A copy whose failure names no fault of the disk or the file is made once more. */
const ATTEMPTS = 3;

/** One per store; one copy at a time. */
export class Backup {
  readonly #database: DatabaseSync;
  #running: Promise<unknown> | null = null;
  #isClosing = false;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Resolves with the size of the copy. BACKUP_REFUSED says what keeps it from being made. */
  async write(file: string): Promise<number> {
    if (this.#isClosing) throw new HubStoreError('STORE_CLOSED');
    if (this.#running !== null) throw refused('another copy is being made: wait for it');
    const running = this.#write(file);
    this.#running = running.catch(() => null);
    try {
      return await running;
    } finally {
      this.#running = null;
    }
  }

  /** Before the database is closed: a copy that is not complete is given up. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#running;
  }

  async #write(file: string): Promise<number> {
    if (lstatSync(file, { throwIfNoEntry: false }) !== undefined) {
      throw refused(`${file} exists: choose another name`);
    }
    for (let attempt = 1; ; attempt++) {
      const partial = `${file}.partial`;
      begin(partial);
      try {
        await this.#copy(partial);
        finish(partial);
        const { size } = statSync(partial);
        renameSync(partial, file);
        syncFolder(dirname(file));
        return size;
      } catch (thrown) {
        for (const end of ['', '-wal', '-shm', '-journal']) rmSync(partial + end, { force: true });
        if (thrown instanceof HubStoreError) throw thrown;
        const error = storeErrorOf(thrown);
        // The hub writes meanwhile, on the same connection: the number of an error may be of that.
        if (error.code !== 'STORE_DEFECT' || attempt === ATTEMPTS) {
          throw refused(`${file}: ${messageOf(thrown)}`, error);
        }
      }
    }
  }

  /** In steps, on another thread; runtimes that have no such call copy at once. */
  async #copy(partial: string): Promise<void> {
    const { backup } = process.getBuiltinModule('node:sqlite') as {
      readonly backup?: typeof import('node:sqlite').backup;
    };
    if (backup === undefined) {
      this.#database.prepare('VACUUM INTO ?').run(partial);
      return;
    }
    const progress = (): void => {
      if (this.#isClosing) throw new HubStoreError('STORE_CLOSED');
    };
    await backup(this.#database, partial, { rate: PAGES_AT_ONCE, progress });
  }
}

/** Private from its first byte; a copy that was left by a hub that died is overwritten. */
function begin(partial: string): void {
  try {
    const fault = keepingFault(dirname(partial));
    if (fault !== null) throw refused(fault);
    rmSync(partial, { force: true });
    closeSync(createPrivateFile(partial));
  } catch (thrown) {
    if (thrown instanceof HubStoreError) throw thrown;
    throw refused(partial, storeErrorOf(thrown));
  }
}

/** The copy is of a database in use, and says so: without the mark it needs no log. */
function finish(partial: string): void {
  const copy = openFile(partial);
  try {
    copy.exec('PRAGMA synchronous = FULL');
    copy.exec('PRAGMA journal_mode = DELETE');
    forgetUse(copy);
  } finally {
    copy.close();
  }
  const descriptor = openSync(partial, 'r');
  fsyncSync(descriptor);
  closeSync(descriptor);
}

const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : '');

function refused(detail: string, cause?: HubStoreError): HubStoreError {
  return new HubStoreError('BACKUP_REFUSED', {
    detail: cause === undefined ? detail : `${detail}: ${cause.message}`,
    cause,
  });
}
