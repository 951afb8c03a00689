/**
 * The deduplication table (hub.md §2): which envelope ids were used, until when, and when the
 * envelopes expire. Owns its chunks, the index over them and their order in time.
 *
 * Ids are random, so a b-tree over them would write one page per message. Instead the entries of a
 * transaction are one row, appended; the index is in memory, rebuilt at start. Beyond a bound the
 * oldest chunks are indexed in a b-tree on disk instead, which is slower and has no bound.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { equalBytes } from '@agentmesh/protocol';
import type { IdHash, IdHasher } from './id-hash.js';
import { IdIndex } from './id-index.js';
import { asChunk, ENTRY_BYTES, readEntry, writeEntry } from './remembered-entry.js';
import type { RememberedEntry } from './remembered-entry.js';

const CHUNK_ENTRIES = 512;
/** Entries moved out of memory in one transaction: bounds what it adds to a commit. */
const SPILL_ENTRIES = 1_024;
const FIRST_IN_MEMORY = 'remembered_in_memory_from';

/** Entries that came due together. */
export interface DueChunk {
  readonly no: number;
  readonly entries: readonly RememberedEntry[];
}

/** What {@link RememberedIds} is made of. */
export interface RememberedIdsOptions {
  readonly database: DatabaseSync;
  readonly hasher: IdHasher;
  /** Ids whose index is kept in memory. */
  readonly memoryIds: number;
}

interface Located {
  readonly hash: IdHash;
  readonly ref: number;
}

interface ChunkRow {
  readonly no: number;
  readonly entries: Uint8Array;
}

/** Used inside transactions; the owner tells how each of them ended. */
export class RememberedIds {
  readonly #index = new IdIndex();
  readonly #hasher: IdHasher;
  readonly #memoryIds: number;
  readonly #statements: ReturnType<typeof prepare>;
  readonly #open = Buffer.alloc(CHUNK_ENTRIES * ENTRY_BYTES);
  #openEntries = 0;
  #openDueMs = Number.POSITIVE_INFINITY;
  #openChunk: number;
  /** Added and to be removed from the index by the running transaction. */
  #added: Located[] = [];
  #leaving: Located[] = [];
  #firstInMemory: number;
  #committedFirstInMemory: number;
  #lastRead: { readonly no: number; readonly chunk: Buffer } | null = null;

  constructor({ database, hasher, memoryIds }: RememberedIdsOptions) {
    this.#hasher = hasher;
    this.#memoryIds = memoryIds;
    this.#statements = prepare(database);
    this.#firstInMemory = Number(this.#statements.getFirst.get()?.['value'] ?? 0);
    this.#committedFirstInMemory = this.#firstInMemory;
    this.#openChunk = Number(this.#statements.lastChunk.get()?.['no'] ?? 0) + 1;
    for (const row of rowsOf(this.#statements.chunksFrom.iterate(this.#firstInMemory))) {
      this.#locate(row, (located) => this.#index.add(located.hash, located.ref));
    }
  }

  /** Ids whose index is in memory. */
  get inMemory(): number {
    return this.#index.size;
  }

  hash(sender: number, id: Uint8Array): IdHash {
    return this.#hasher.hash(sender, id, 0);
  }

  /** What is remembered of an id at `nowMs`, or null. */
  find(hash: IdHash, wanted: { sender: number; id: Uint8Array; nowMs: number }) {
    let found: RememberedEntry | null = null;
    const accepts = (ref: number): boolean => {
      const entry = this.#entryAt(ref);
      const isIt =
        entry !== null &&
        entry.sender === wanted.sender &&
        entry.untilMs > wanted.nowMs &&
        equalBytes(entry.id, wanted.id);
      if (isIt) found = entry;
      return isIt;
    };
    if (this.#index.find(hash, accepts) === null && this.#firstInMemory > 0) {
      for (const { ref } of this.#statements.findOld.all(wideHash(hash))) {
        if (accepts(Number(ref))) break;
      }
    }
    return found as RememberedEntry | null;
  }

  add(hash: IdHash, entry: RememberedEntry): void {
    if (this.#openEntries === CHUNK_ENTRIES) this.#closeChunk();
    writeEntry(this.#open, this.#openEntries * ENTRY_BYTES, entry);
    const ref = this.#openChunk * CHUNK_ENTRIES + this.#openEntries;
    this.#openEntries += 1;
    this.#openDueMs = Math.min(this.#openDueMs, entry.expiresMs);
    this.#index.add(hash, ref);
    this.#added.push({ hash, ref });
  }

  /** The last call of a transaction, before its commit. */
  write(): void {
    if (this.#openEntries > 0) this.#closeChunk();
    this.#spill();
  }

  committed(): void {
    for (const { hash, ref } of this.#leaving) this.#index.delete(hash, ref);
    this.#committedFirstInMemory = this.#firstInMemory;
    this.#begin();
  }

  rolledBack(): void {
    for (const { hash, ref } of this.#added) this.#index.delete(hash, ref);
    this.#firstInMemory = this.#committedFirstInMemory;
    this.#begin();
  }

  /** The chunk that has been due longest at `nowMs`: for an envelope or for being forgotten. */
  due(nowMs: number): DueChunk | null {
    const row = rowOf(this.#statements.due.get(nowMs));
    if (row === null) return null;
    const chunk = asChunk(row.entries);
    return { no: row.no, entries: entriesOf(chunk) };
  }

  isDue(nowMs: number): boolean {
    return this.#statements.isDue.get(nowMs) !== undefined;
  }

  /** All that was due in a chunk is done: sets when it is due next, or forgets it. */
  settle({ no, entries }: DueChunk, nowMs: number): void {
    const next = nextDue(entries, nowMs);
    if (next !== null) {
      this.#statements.setDue.run(next, no);
      return;
    }
    this.#statements.forget.run(no);
    if (this.#lastRead?.no === no) this.#lastRead = null;
    entries.forEach((entry, at) => {
      const hash = this.#hasher.hash(entry.sender, entry.id, 0);
      const ref = no * CHUNK_ENTRIES + at;
      if (no < this.#firstInMemory) this.#statements.forgetOld.run(wideHash(hash), ref);
      this.#leaving.push({ hash, ref });
    });
  }

  #begin(): void {
    this.#added = [];
    this.#leaving = [];
    this.#openEntries = 0;
    this.#openDueMs = Number.POSITIVE_INFINITY;
  }

  #closeChunk(): void {
    const chunk = this.#open.subarray(0, this.#openEntries * ENTRY_BYTES);
    this.#statements.insert.run(this.#openChunk, this.#openDueMs, chunk);
    this.#openChunk += 1;
    this.#openEntries = 0;
    this.#openDueMs = Number.POSITIVE_INFINITY;
  }

  /** Moves the index of the oldest chunks to the disk while too many are in memory. */
  #spill(): void {
    const surplus = this.#index.size - this.#leaving.length - this.#memoryIds;
    const first = this.#firstInMemory;
    for (let left = Math.min(surplus, SPILL_ENTRIES); left > 0;) {
      const row = rowOf(this.#statements.nextChunk.get(this.#firstInMemory));
      if (row === null || row.no >= this.#openChunk) break;
      this.#locate(row, (located) => {
        this.#statements.insertOld.run(wideHash(located.hash), located.ref);
        this.#leaving.push(located);
      });
      left -= row.entries.length / ENTRY_BYTES;
      this.#firstInMemory = row.no + 1;
    }
    if (this.#firstInMemory > first) this.#statements.setFirst.run(this.#firstInMemory);
  }

  #locate(row: ChunkRow, visit: (located: Located) => void): void {
    const chunk = asChunk(row.entries);
    for (let at = 0; at * ENTRY_BYTES < chunk.length; at++) {
      const sender = chunk.readUInt32BE(at * ENTRY_BYTES + 32);
      const hash = this.#hasher.hash(sender, chunk, at * ENTRY_BYTES);
      visit({ hash, ref: row.no * CHUNK_ENTRIES + at });
    }
  }

  /** Null where the chunk was forgotten by the running transaction. */
  #entryAt(ref: number): RememberedEntry | null {
    const no = Math.floor(ref / CHUNK_ENTRIES);
    const at = (ref % CHUNK_ENTRIES) * ENTRY_BYTES;
    if (no === this.#openChunk) return readEntry(this.#open, at);
    if (this.#lastRead?.no !== no) {
      const row = rowOf(this.#statements.chunk.get(no));
      if (row === null) return null;
      this.#lastRead = { no, chunk: asChunk(row.entries) };
    }
    return readEntry(this.#lastRead.chunk, at);
  }
}

function prepare(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  return {
    insert: sql('INSERT INTO remembered (no, due_ms, entries) VALUES (?, ?, ?)'),
    chunk: sql('SELECT no, entries FROM remembered WHERE no = ?'),
    lastChunk: sql('SELECT max(no) AS no FROM remembered'),
    nextChunk: sql('SELECT no, entries FROM remembered WHERE no >= ? ORDER BY no LIMIT 1'),
    chunksFrom: sql('SELECT no, entries FROM remembered WHERE no >= ? ORDER BY no'),
    due: sql('SELECT no, entries FROM remembered WHERE due_ms <= ? ORDER BY due_ms LIMIT 1'),
    isDue: sql('SELECT 1 FROM remembered WHERE due_ms <= ? LIMIT 1'),
    setDue: sql('UPDATE remembered SET due_ms = ? WHERE no = ?'),
    forget: sql('DELETE FROM remembered WHERE no = ?'),
    insertOld: sql('INSERT INTO remembered_old (hash, ref) VALUES (?, ?)'),
    findOld: sql('SELECT ref FROM remembered_old WHERE hash = ?'),
    forgetOld: sql('DELETE FROM remembered_old WHERE hash = ? AND ref = ?'),
    getFirst: sql(`SELECT value FROM meta WHERE key = '${FIRST_IN_MEMORY}'`),
    setFirst: sql(`INSERT OR REPLACE INTO meta VALUES ('${FIRST_IN_MEMORY}', ?)`),
  };
}

/** The 40 bits that are kept of a hash, as one number. */
function wideHash({ shard, print }: IdHash): number {
  return shard * 2 ** 32 + print;
}

function entriesOf(chunk: Buffer): RememberedEntry[] {
  const count = chunk.length / ENTRY_BYTES;
  return Array.from({ length: count }, (_, at) => readEntry(chunk, at * ENTRY_BYTES));
}

/**
 * The next end of an envelope after `nowMs`; when all are over, the end of remembering the last
 * id; null when that is over too. So a chunk is met once per distinct end, then once to be dropped.
 */
function nextDue(entries: readonly RememberedEntry[], nowMs: number): number | null {
  let next = Number.POSITIVE_INFINITY;
  let last = 0;
  for (const { expiresMs, untilMs } of entries) {
    if (expiresMs > nowMs) next = Math.min(next, expiresMs);
    last = Math.max(last, untilMs);
  }
  if (next !== Number.POSITIVE_INFINITY) return next;
  return last > nowMs ? last : null;
}

function rowOf(row: unknown): ChunkRow | null {
  return row === undefined ? null : (row as ChunkRow);
}

function* rowsOf(rows: Iterable<unknown>): Generator<ChunkRow> {
  for (const row of rows) yield row as ChunkRow;
}
