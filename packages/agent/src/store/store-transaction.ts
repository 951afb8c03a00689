/**
 * One transaction on the store: reads see its own writes, nothing is written before `commit`.
 * Owns the collecting; every receive and every send is exactly one of these (protocol.md §2.11), on
 * its own or nested in one that several share.
 */
import type { AgentStore, StoreOperation } from './store.js';

/** A row that becomes bytes when it is committed: of several versions only the last one does. */
interface LateRow<T> {
  readonly value: T;
  readonly encode: (value: T) => Uint8Array;
}

type Write = Uint8Array | LateRow<never> | null;

/** Reads through to the store and collects writes. Used once. */
export class StoreTransaction {
  readonly #store: Pick<AgentStore, 'get' | 'commit'>;
  readonly #outer: StoreTransaction | null;
  /** The last write of a key counts; null deletes. */
  readonly #writes = new Map<string, Write>();

  constructor(store: Pick<AgentStore, 'get' | 'commit'>, outer: StoreTransaction | null = null) {
    this.#store = store;
    this.#outer = outer;
  }

  /** One inside this one: what it commits becomes part of this, what it leaves leaves no trace. */
  nested(): StoreTransaction {
    return new StoreTransaction(this.#store, this);
  }

  async get(key: string): Promise<Uint8Array | null> {
    const written = this.#written(key);
    return written === undefined ? this.#store.get(key) : bytesOf(written);
  }

  /** What a row stands for; one that was put as such here is not encoded for it. */
  async read<T>(key: string, decode: (bytes: Uint8Array) => T): Promise<T | null> {
    const written = this.#written(key);
    if (isLate(written)) return written.value;
    const bytes = written === undefined ? await this.#store.get(key) : written;
    return bytes === null ? null : decode(bytes);
  }

  put(key: string, value: Uint8Array): void {
    this.#writes.set(key, value);
  }

  /** The same for what a row stands for; `read` of this key gives it back. */
  putLate<T>(key: string, value: T, encode: (value: T) => Uint8Array): void {
    const row: LateRow<T> = { value, encode };
    this.#writes.set(key, row as unknown as LateRow<never>);
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
    if (this.#outer !== null) {
      for (const [key, write] of this.#writes) this.#outer.#writes.set(key, write);
      return;
    }
    const operations: StoreOperation[] = [];
    for (const [key, write] of this.#writes) {
      const value = bytesOf(write);
      operations.push(value === null ? { delete: key } : { put: key, value });
    }
    await this.#store.commit(operations);
  }

  /** Undefined: as it is in the store. */
  #written(key: string): Write | undefined {
    const own = this.#writes.get(key);
    if (own !== undefined || this.#outer === null) return own;
    return this.#outer.#written(key);
  }
}

function isLate(write: Write | undefined): write is LateRow<never> {
  return write !== undefined && write !== null && !(write instanceof Uint8Array);
}

function bytesOf(write: Write): Uint8Array | null {
  return isLate(write) ? write.encode(write.value) : write;
}
