/**
 * One transaction on the store: reads see its own writes, nothing is written before `commit`.
 * Owns the collecting; every receive and every send is exactly one of these (protocol.md §2.11), on
 * its own or nested in one that several share.
 */
import type { AgentStore, StoreOperation } from './store.js';

/** Reads through to the store and collects writes. Used once. */
export class StoreTransaction {
  readonly #store: Pick<AgentStore, 'get' | 'commit'>;
  /** The last write of a key counts; null deletes. */
  readonly #writes = new Map<string, Uint8Array | null>();

  constructor(store: Pick<AgentStore, 'get' | 'commit'>) {
    this.#store = store;
  }

  /** One inside this one: what it commits becomes part of this, what it leaves leaves no trace. */
  nested(): StoreTransaction {
    return new StoreTransaction({
      get: (key) => this.get(key),
      commit: async (operations) => {
        for (const operation of operations) this.write(operation);
      },
    });
  }

  async get(key: string): Promise<Uint8Array | null> {
    const written = this.#writes.get(key);
    return written === undefined ? this.#store.get(key) : written;
  }

  put(key: string, value: Uint8Array): void {
    this.#writes.set(key, value);
  }

  write(operation: StoreOperation): void {
    if ('put' in operation) this.put(operation.put, operation.value);
    else this.delete(operation.delete);
  }

  delete(key: string): void {
    this.#writes.set(key, null);
  }

  /** Atomic and durable once resolved; a transaction without writes costs nothing. */
  async commit(): Promise<void> {
    if (this.#writes.size === 0) return;
    const operations: StoreOperation[] = [];
    for (const [key, value] of this.#writes) {
      operations.push(value === null ? { delete: key } : { put: key, value });
    }
    await this.#store.commit(operations);
  }
}
