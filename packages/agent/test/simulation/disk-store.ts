/**
 * An `AgentStore` on a simulated disk: a log of commits, each with a checksum. Owns what makes a
 * commit durable, which commits share one sync, and what is found after a crash. It keeps the
 * contract of `AgentStore`, or fails as a real one does.
 */
import { crc32 } from 'node:zlib';
import { StorageError } from '../../src/ground/errors.js';
import type { AgentStore, StoreOperation, StoreRange, StoreRow } from '../../src/store/store.js';
import type { Disk } from './disk.js';
import type { Process } from './machine.js';

/** Told of each commit that became safe: by a sync, or because it survived a crash. */
export type OnDurable = (operations: readonly StoreOperation[]) => void;

interface Waiting {
  readonly operations: readonly StoreOperation[];
  readonly done: PromiseWithResolvers<void>;
}

const HEADER_BYTES = 12;
/** A sync takes about this long; once in a while it takes very long. */
const SYNC_MS = { from: 0.1, to: 4, stallShare: 0.01, stallMs: 400 };

export class DiskStore implements AgentStore {
  readonly #disk: Disk;
  readonly #process: Process;
  readonly #onDurable: OnDurable;
  /** Rows as of the last safe commit. */
  readonly #rows = new Map<string, Uint8Array>();
  readonly #waiting: Waiting[] = [];
  #syncing = false;
  #open = false;

  constructor(disk: Disk, process: Process, onDurable: OnDurable) {
    this.#disk = disk;
    this.#process = process;
    this.#onDurable = onDurable;
  }

  async open(): Promise<void> {
    this.#failIfBroken();
    this.#rows.clear();
    const log = this.#disk.contents();
    const { commits, end, decayed } = readLog(log);
    if (decayed) throw new StorageError('STORE_CORRUPT', 'log');
    for (const operations of commits) this.#apply(operations);
    if (end < log.length) this.#disk.truncate(end);
    this.#open = true;
  }

  async get(key: string): Promise<Uint8Array | null> {
    this.#failIfClosed();
    this.#failIfBroken();
    return this.#rows.get(key)?.slice() ?? null;
  }

  async range({ from, to, limit, reverse = false }: StoreRange): Promise<readonly StoreRow[]> {
    this.#failIfClosed();
    this.#failIfBroken();
    const keys = [...this.#rows.keys()].filter((key) => key >= from && key < to);
    const sorted = keys.toSorted((a, b) => (a < b === reverse ? 1 : -1));
    return sorted.slice(0, limit).map((key) => ({ key, value: this.#rows.get(key)!.slice() }));
  }

  async commit(operations: readonly StoreOperation[]): Promise<void> {
    this.#failIfClosed();
    const done = Promise.withResolvers<void>();
    this.#waiting.push({ operations, done });
    if (!this.#syncing) this.#syncLater();
    return done.promise;
  }

  async close(): Promise<void> {
    this.#open = false;
  }

  /** What gathers until then shares one sync; a part of it may go first. */
  #syncLater(): void {
    this.#syncing = true;
    const { chance } = this.#process;
    this.#process.defer(() => {
      const count = chance.flip(0.2) ? 1 + chance.below(this.#waiting.length) : Infinity;
      this.#sync(this.#waiting.splice(0, count));
    });
  }

  #sync(batch: readonly Waiting[]): void {
    const { chance } = this.#process;
    for (const { operations } of batch) this.#disk.write(encodeCommit(operations));
    const upTo = this.#disk.writes;
    const { from, to, stallShare, stallMs } = SYNC_MS;
    const tookMs = chance.flip(stallShare) ? chance.between(to, stallMs) : chance.skewed(from, to);
    this.#process.after(tookMs, () => {
      if (this.#disk.fault === null) this.#synced(batch, upTo);
      else this.#failed(batch);
      if (this.#waiting.length > 0) this.#syncLater();
      else this.#syncing = false;
    });
  }

  #synced(batch: readonly Waiting[], upTo: number): void {
    this.#disk.sync(upTo);
    for (const { operations, done } of batch) {
      this.#apply(operations);
      this.#onDurable(operations);
      done.resolve();
    }
  }

  #failed(batch: readonly Waiting[]): void {
    const full = this.#disk.fault === 'full';
    this.#disk.takeBack();
    for (const { done } of batch) {
      done.reject(
        full ? new StorageError('STORE_FULL') : new StorageError('STORE_FAILED', 'input/output'),
      );
    }
  }

  #apply(operations: readonly StoreOperation[]): void {
    for (const operation of operations) {
      if ('put' in operation) this.#rows.set(operation.put, operation.value);
      else this.#rows.delete(operation.delete);
    }
  }

  #failIfClosed(): void {
    if (!this.#open) throw new StorageError('STORE_CLOSED');
  }

  #failIfBroken(): void {
    if (this.#disk.fault === 'broken') throw new StorageError('STORE_FAILED', 'input/output');
  }
}

/** The whole commits on a disk, up to where it has decayed. */
export function commitsOn(disk: Disk): readonly StoreOperation[][] {
  return readLog(disk.contents()).commits;
}

interface LogReading {
  readonly commits: StoreOperation[][];
  /** Where the whole commits end. */
  readonly end: number;
  readonly decayed: boolean;
}

/**
 * All whole commits. A beginning of one at the end is a write that was torn; anything else that
 * does not fit is decay.
 */
function readLog(log: Uint8Array): LogReading {
  const view = new DataView(log.buffer, log.byteOffset, log.length);
  const commits: StoreOperation[][] = [];
  let at = 0;
  while (log.length - at >= HEADER_BYTES) {
    const length = view.getUint32(at);
    if ((length ^ view.getUint32(at + 4)) !== -1) return { commits, end: at, decayed: true };
    if (log.length - at - HEADER_BYTES < length) break;
    const body = log.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length);
    if (crc32(body) !== view.getUint32(at + 8)) return { commits, end: at, decayed: true };
    commits.push(decodeOperations(body));
    at += HEADER_BYTES + length;
  }
  return { commits, end: at, decayed: false };
}

function encodeCommit(operations: readonly StoreOperation[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const operation of operations) {
    const isPut = 'put' in operation;
    const key = Buffer.from(isPut ? operation.put : operation.delete, 'latin1');
    const value = isPut ? operation.value : new Uint8Array();
    parts.push(Uint8Array.of(isPut ? 1 : 0, key.length), key, u32(value.length), value);
  }
  const body = Buffer.concat(parts);
  return Buffer.concat([u32(body.length), u32(~body.length), u32(crc32(body)), body]);
}

function decodeOperations(body: Uint8Array): StoreOperation[] {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const operations: StoreOperation[] = [];
  let at = 0;
  while (at < body.length) {
    const isPut = body[at] === 1;
    const keyEnd = at + 2 + (body[at + 1] ?? 0);
    const key = Buffer.from(body.subarray(at + 2, keyEnd)).toString('latin1');
    const end = keyEnd + 4 + view.getUint32(keyEnd);
    const value = body.slice(keyEnd + 4, end);
    operations.push(isPut ? { put: key, value } : { delete: key });
    at = end;
  }
  return operations;
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}
