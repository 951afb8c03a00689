/**
 * The journal of a store: each commit is one sealed batch in pieces of fixed size, written over
 * those of an earlier cycle, so that a commit touches few pages and allocates none. Owns the layout
 * of pieces and batches, and the cycle: its key dies when the journal is merged into the table, and
 * with it whatever the batches held that was deleted since (protocol.md §2.11).
 */
import { Secret } from '@agentmesh/crypto';
import type { RandomSource } from '@agentmesh/crypto';
import type { DatabaseSync } from 'node:sqlite';
import { StorageError } from '../../ground/errors.js';
import { RowReader, RowWriter } from '../row-codec.js';
import type { RowChanges } from './overlay.js';
import { RowSealer } from './row-sealer.js';

/** Of a page: what SQLite needs for one row of one blob, so that a piece fills one page. */
const PAGE_OVERHEAD = 64;
const ID_BYTES = 8;
const KEY_BYTES = 32;
/** Id of the cycle and length of the sealed batch, before it. */
const HEAD_BYTES = ID_BYTES + 4;
const VERSION = 1;

/** What a cycle seals with, and the mark of its pieces. */
interface Cycle {
  readonly id: Uint8Array;
  readonly sealer: RowSealer;
}

/** The cycle that follows, and the pieces that it has already. */
export interface NextCycle {
  readonly cycle: Cycle;
  readonly pieces: number;
}

/** What a journal seals with; `path` is for its errors. */
export interface JournalParts {
  readonly sealer: RowSealer;
  readonly random: RandomSource;
  readonly path: string;
}

/** The journal in an open database; transactions are its caller's. */
export class Journal {
  readonly #sealer: RowSealer;
  readonly #random: RandomSource;
  readonly #path: string;
  readonly #statements: ReturnType<typeof prepare>;
  readonly #pieceBytes: number;
  #cycle: Cycle;
  /** Pieces of this cycle, and pieces that there are to write over. */
  #used = 0;
  #slots: number;

  /** Reads where the journal stands; throws STORE_CORRUPT. */
  constructor(database: DatabaseSync, { sealer, random, path }: JournalParts) {
    this.#sealer = sealer;
    this.#random = random;
    this.#path = path;
    this.#statements = prepare(database);
    const pageBytes = Number(database.prepare('PRAGMA page_size').get()?.['page_size']);
    this.#pieceBytes = pageBytes - PAGE_OVERHEAD;
    this.#slots = Number(this.#statements.count.get()?.['n']);
    this.#cycle = this.#readCycle();
  }

  /** Bytes of this cycle's pieces. */
  get bytes(): number {
    return this.#used * this.#pieceBytes;
  }

  /**
   * All batches of this cycle, oldest first: what was committed and not merged. Throws
   * STORE_CORRUPT for one that is damaged or missing before others.
   */
  *batches(): Iterable<RowChanges> {
    this.#used = 0;
    for (let first = 1; ; first = this.#used + 1) {
      const head = this.#piece(first);
      if (head === null || !this.#isOfCycle(head)) break;
      const { sealed, pieces } = this.#joined(head, first);
      const batch = this.#cycle.sealer.open('journal', String(first), sealed);
      if (batch === null) throw this.#damaged();
      this.#used += pieces;
      yield decodeBatch(batch);
    }
    for (let after = this.#used + 1; after <= this.#slots; after++) {
      if (this.#isOfCycle(this.#piece(after) ?? new Uint8Array())) throw this.#damaged();
    }
  }

  /** Writes a batch; {@link appended} once the transaction is made. Returns its pieces. */
  append(changes: RowChanges): number {
    return this.#write(this.#cycle, this.#used + 1, changes);
  }

  #write({ id, sealer }: Cycle, first: number, changes: RowChanges): number {
    const sealed = sealer.seal('journal', String(first), encodeBatch(changes));
    const bytes = new Uint8Array(this.#roundedUp(HEAD_BYTES + sealed.length));
    bytes.set(id);
    new DataView(bytes.buffer).setUint32(ID_BYTES, sealed.length);
    bytes.set(sealed, HEAD_BYTES);
    const pieces = bytes.length / this.#pieceBytes;
    for (let n = 0; n < pieces; n++) {
      const piece = bytes.subarray(n * this.#pieceBytes, (n + 1) * this.#pieceBytes);
      const { update, insert } = this.#statements;
      if (first + n <= this.#slots) update.run(piece, first + n);
      else insert.run(first + n, piece);
    }
    return pieces;
  }

  /** Takes back the last batch of so many pieces, which was refused after its transaction. */
  erase(pieces: number): void {
    const first = this.#used - pieces + 1;
    this.#statements.update.run(new Uint8Array(this.#pieceBytes), first);
  }

  appended(pieces: number): void {
    this.#used += pieces;
    this.#slots = Math.max(this.#slots, this.#used);
  }

  /**
   * Writes the end of this cycle, and what the next one begins with; {@link ended} once the
   * transaction is made.
   */
  end(carried: RowChanges): NextCycle {
    const bytes = newCycle(this.#random);
    this.#statements.putCycle.run(this.#sealer.seal('meta', 'journal', bytes));
    const cycle = cycleOf(bytes, this.#random);
    return { cycle, pieces: carried.size === 0 ? 0 : this.#write(cycle, 1, carried) };
  }

  ended({ cycle, pieces }: NextCycle): void {
    this.#cycle = cycle;
    this.#used = 0;
    this.appended(pieces);
  }

  #readCycle(): Cycle {
    const sealed = this.#statements.cycle.get()?.['value'];
    const cycle = this.#sealer.open('meta', 'journal', sealed);
    if (cycle?.length !== KEY_BYTES + ID_BYTES) throw this.#damaged();
    return cycleOf(cycle, this.#random);
  }

  #piece(n: number): Uint8Array | null {
    const piece = this.#statements.piece.get(n)?.['piece'];
    return piece instanceof Uint8Array && piece.length === this.#pieceBytes ? piece : null;
  }

  #isOfCycle(piece: Uint8Array): boolean {
    return this.#cycle.id.every((byte, at) => piece[at] === byte);
  }

  #joined(
    head: Uint8Array,
    first: number,
  ): { readonly sealed: Uint8Array; readonly pieces: number } {
    const length = new DataView(head.buffer, head.byteOffset).getUint32(ID_BYTES);
    const total = this.#roundedUp(HEAD_BYTES + length);
    const pieces = total / this.#pieceBytes;
    if (first + pieces - 1 > this.#slots) throw this.#damaged();
    const bytes = new Uint8Array(total);
    for (let n = 0; n < pieces; n++) {
      const piece = this.#piece(first + n);
      if (piece === null) throw this.#damaged();
      bytes.set(piece, n * this.#pieceBytes);
    }
    return { sealed: bytes.subarray(HEAD_BYTES, HEAD_BYTES + length), pieces };
  }

  #damaged(): StorageError {
    return new StorageError('STORE_CORRUPT', `${this.#path}: journal`);
  }

  #roundedUp(bytes: number): number {
    return Math.ceil(bytes / this.#pieceBytes) * this.#pieceBytes;
  }
}

/** Key and id of a cycle, as they are sealed in the table `meta`. */
export function newCycle(random: RandomSource): Uint8Array {
  return random(KEY_BYTES + ID_BYTES).slice();
}

function cycleOf(cycle: Uint8Array, random: RandomSource): Cycle {
  const key = new Secret('store key', cycle.slice(0, KEY_BYTES));
  return { id: cycle.slice(KEY_BYTES), sealer: new RowSealer(key, random) };
}

function encodeBatch(changes: RowChanges): Uint8Array {
  const row = new RowWriter().u8(VERSION);
  row.list([...changes], ([key, value]) => {
    row.text(key).flag(value !== null);
    if (value !== null) row.bytes(value);
  });
  return row.finish();
}

function decodeBatch(bytes: Uint8Array): RowChanges {
  const row = new RowReader(bytes, 'journal');
  if (row.u8() !== VERSION) row.fail();
  const changes = new Map<string, Uint8Array | null>();
  for (const [key, value] of row.list(() => {
    const at = row.text();
    return [at, row.flag() ? row.bytes() : null] as const;
  })) {
    changes.set(key, value);
  }
  row.end();
  return changes;
}

function prepare(database: DatabaseSync) {
  return {
    count: database.prepare('SELECT count(*) AS n FROM journal'),
    piece: database.prepare('SELECT piece FROM journal WHERE n = ?'),
    update: database.prepare('UPDATE journal SET piece = ? WHERE n = ?'),
    insert: database.prepare('INSERT INTO journal VALUES (?, ?)'),
    cycle: database.prepare(`SELECT value FROM meta WHERE key = 'journal'`),
    putCycle: database.prepare(`UPDATE meta SET value = ? WHERE key = 'journal'`),
  };
}
