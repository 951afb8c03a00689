/**
 * An agent's rows in memory: the default without a key file, and what tests restart on. Keeps bytes
 * only, so nothing survives in it that a store on a disk would lose. Does not encrypt: what it
 * holds is in the same memory as the agent's keys.
 */
import { StorageError } from '../ground/errors.js';
import type { AgentStore, StoreOperation, StoreRange, StoreRow } from './store.js';

/** Gives an agent everything but durability. May be handed to a second agent after `close`. */
export class MemoryStore implements AgentStore {
  readonly #rows = new Map<string, Uint8Array>();
  /** Keys in order; null while unknown because a key came or went. */
  #sorted: string[] | null = null;
  #open = false;

  open(): Promise<void> {
    if (this.#open) return Promise.reject(new StorageError('STORE_LOCKED'));
    this.#open = true;
    return Promise.resolve();
  }

  get(key: string): Promise<Uint8Array | null> {
    return this.#whileOpen(() => this.#rows.get(key)?.slice() ?? null);
  }

  range({ from, to, limit, reverse = false }: StoreRange): Promise<readonly StoreRow[]> {
    return this.#whileOpen(() => {
      this.#sorted ??= [...this.#rows.keys()].toSorted(byCodeUnit);
      const first = lowerBound(this.#sorted, from);
      const end = lowerBound(this.#sorted, to);
      const keys = reverse
        ? this.#sorted.slice(Math.max(first, end - limit), end).toReversed()
        : this.#sorted.slice(first, Math.min(end, first + limit));
      return keys.map((key) => ({ key, value: (this.#rows.get(key) ?? new Uint8Array()).slice() }));
    });
  }

  commit(operations: readonly StoreOperation[]): Promise<void> {
    return this.#whileOpen(() => {
      // All are checked before one is applied: a commit is whole or nothing.
      for (const operation of operations) assertOperation(operation);
      for (const operation of operations) this.#apply(operation);
    });
  }

  close(): Promise<void> {
    this.#open = false;
    return Promise.resolve();
  }

  #apply(operation: StoreOperation): void {
    if ('put' in operation) {
      if (!this.#rows.has(operation.put)) this.#sorted = null;
      this.#rows.set(operation.put, operation.value.slice());
    } else if (this.#rows.delete(operation.delete)) {
      this.#sorted = null;
    }
  }

  async #whileOpen<T>(task: () => T): Promise<T> {
    if (!this.#open) throw new StorageError('STORE_CLOSED');
    return task();
  }
}

function assertOperation(operation: StoreOperation): void {
  if ('put' in operation && !(operation.value instanceof Uint8Array)) {
    throw new StorageError('STORE_FAILED', 'a value that is not bytes');
  }
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Index of the first key that is not below `bound`. */
function lowerBound(sorted: readonly string[], bound: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? '') < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
