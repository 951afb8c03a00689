/**
 * Commits of one turn of the event loop share a transaction, and so do those that come while the
 * one before is being synced (protocol.md §2.11). Owns which commits go together, their order, and
 * that a promise resolves only after the disk.
 *
 * A failed transaction rejects its own commits and every one that waits behind them: what is on the
 * disk is always the effect of the first n commits that were called.
 */
import type { AgentMeshError } from '@agentmesh/crypto';
import type { StoreOperation } from '../store.js';
import type { RowChanges } from './overlay.js';

/** One transaction takes up to so many commits, or so many bytes: a few milliseconds of work. */
const MOST_COMMITS = 512;
const MOST_BYTES = 4 * 1024 * 1024;

interface Pending {
  readonly operations: readonly StoreOperation[];
  resolve(): void;
  reject(error: AgentMeshError): void;
}

/** One transaction: null once it is durable, or why nothing of it is there. */
export type WriteChanges = (changes: RowChanges) => Promise<AgentMeshError | null>;

/** Collects commits and writes them in order. */
export class CommitQueue {
  readonly #write: WriteChanges;
  readonly #pending: Pending[] = [];
  #isScheduled = false;
  #writing: Promise<void> | null = null;

  /** `write` does what it does at once, and answers when the disk has. */
  constructor(write: WriteChanges) {
    this.#write = write;
  }

  /** Whether a transaction is on its way to the disk. */
  get isWriting(): boolean {
    return this.#writing !== null;
  }

  /** Resolves when the operations are durable, all of them. */
  add(operations: readonly StoreOperation[]): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.#pending.push({ operations, resolve, reject });
      this.#schedule();
    });
  }

  /** Writes all that waits, now; resolves when it is durable or was rejected. */
  async flush(): Promise<void> {
    await this.#writing;
    while (this.#pending.length > 0) {
      this.#begin();
      await this.#writing;
    }
  }

  #schedule(): void {
    if (this.#isScheduled || this.#writing !== null) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      // The rest in the next turn: a flood of commits must not hold up everything else.
      this.#begin();
    });
  }

  #begin(): void {
    if (this.#writing !== null || this.#pending.length === 0) return;
    this.#writing = this.#writeBatch(this.#takeBatch());
  }

  async #writeBatch(batch: readonly Pending[]): Promise<void> {
    const error = await this.#write(changesOf(batch));
    this.#writing = null;
    if (error === null) for (const one of batch) one.resolve();
    else for (const one of [...batch, ...this.#pending.splice(0)]) one.reject(error);
    if (this.#pending.length > 0) this.#schedule();
  }

  #takeBatch(): Pending[] {
    let bytes = 0;
    const end = this.#pending.findIndex(({ operations }, index) => {
      bytes += bytesOf(operations);
      return index > 0 && (index >= MOST_COMMITS || bytes > MOST_BYTES);
    });
    return this.#pending.splice(0, end < 0 ? this.#pending.length : end);
  }
}

/** What the operations amount to: of several writes of one row only the last reaches the disk. */
function changesOf(batch: readonly Pending[]): RowChanges {
  const changes = new Map<string, Uint8Array | null>();
  for (const { operations } of batch) {
    for (const operation of operations) {
      if ('put' in operation) changes.set(operation.put, operation.value);
      else changes.set(operation.delete, null);
    }
  }
  return changes;
}

function bytesOf(operations: readonly StoreOperation[]): number {
  let bytes = 0;
  for (const operation of operations) bytes += 'put' in operation ? operation.value.length : 0;
  return bytes;
}
