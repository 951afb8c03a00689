/**
 * How much of the disk names and keys may take: half, so that a crowd of identities cannot stop the
 * sending of all. Owns the estimate and the rule; who is forgotten to make room is `usage`'s.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';

const DIRECTORY_PART = 0.5;
/** Rows of an agent: its number, name and record, with their indexes. */
export const AGENT_BYTES = 1_024;
/** A prekey record of 1,337 bytes with its row and indexes. */
export const PREKEY_BYTES = 1_600;
/** Counting reads an index of all prekeys: done again after this, and what came since is added. */
const COUNT_MS = 5_000;
/** Where the estimate says that it is too much. */
const SHORTEST_COUNT_MS = 200;

/** What the rule needs. */
export interface DirectoryShareOptions {
  readonly database: DatabaseSync;
  /** Bytes that the database may grow to. */
  readonly capacity: () => number;
  readonly monotonic: () => number;
  /** Forgets identities that were never used; how many. */
  readonly makeRoom: () => number;
}

/** One per store. */
export class DirectoryShare {
  readonly #options: DirectoryShareOptions;
  readonly #statements: readonly (readonly [StatementSync, number])[];
  #bytes = 0;
  #countedMs = Number.NEGATIVE_INFINITY;

  constructor(options: DirectoryShareOptions) {
    this.#options = options;
    const count = (table: string): StatementSync =>
      options.database.prepare(`SELECT count(*) AS count FROM ${table}`);
    this.#statements = [
      [count('agent'), AGENT_BYTES],
      [count('signed_prekey'), PREKEY_BYTES],
      [count('one_time_prekey'), PREKEY_BYTES],
    ];
  }

  /** Whether so much more may be kept; counts it if so. */
  take(bytes: number): boolean {
    if (this.#age() > COUNT_MS) this.#count();
    if (!this.#fits(bytes) && this.#age() > SHORTEST_COUNT_MS) this.#count();
    if (!this.#fits(bytes) && this.#options.makeRoom() > 0) this.#count();
    const fits = this.#fits(bytes);
    if (fits) this.#bytes += bytes;
    return fits;
  }

  #fits(bytes: number): boolean {
    return this.#bytes + bytes <= this.#options.capacity() * DIRECTORY_PART;
  }

  #age(): number {
    return this.#options.monotonic() - this.#countedMs;
  }

  #count(): void {
    this.#countedMs = this.#options.monotonic();
    this.#bytes = 0;
    for (const [statement, each] of this.#statements) {
      this.#bytes += Number(statement.get()?.['count']) * each;
    }
  }
}
