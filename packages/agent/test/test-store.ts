/**
 * A memory store that tests look into: it keeps the ledger, fails when told to, and can be copied.
 * Owns no rows; `MemoryStore` does.
 */
import { decodeOutboxRow } from '../src/sending/outbox.js';
import { MemoryStore } from '../src/store/memory-store.js';
import type { AgentStore, StoreOperation, StoreRange, StoreRow } from '../src/store/store.js';
import type { KeyLedger } from './key-ledger.js';

export class TestStore implements AgentStore {
  readonly #ledger: KeyLedger;
  readonly #inner: MemoryStore;
  commits = 0;
  /** Throws to make a commit fail before anything is kept. */
  beforeCommit: ((operations: readonly StoreOperation[]) => void) | null = null;
  /** Throws to make a commit fail although it is kept: the process died before it heard of it. */
  afterCommit: ((operations: readonly StoreOperation[]) => void) | null = null;
  /** Holds a commit up, and all behind it. */
  gate: ((operations: readonly StoreOperation[]) => Promise<void> | undefined) | null = null;
  #held: Promise<void> | null = null;

  constructor(ledger: KeyLedger, inner = new MemoryStore()) {
    this.#ledger = ledger;
    this.#inner = inner;
  }

  open(): Promise<void> {
    return this.#inner.open();
  }

  get(key: string): Promise<Uint8Array | null> {
    return this.#inner.get(key);
  }

  range(range: StoreRange): Promise<readonly StoreRow[]> {
    return this.#inner.range(range);
  }

  async commit(operations: readonly StoreOperation[]): Promise<void> {
    this.beforeCommit?.(operations);
    for (const operation of operations) {
      if ('put' in operation && operation.put.startsWith('outbox/')) {
        const { form, blob } = decodeOutboxRow(operation.value);
        // What was taken back holds a content, and no bytes that could leave.
        if (form !== 'takenBack') this.#ledger.record(blob);
      }
    }
    await this.#pass(operations);
    await this.#inner.commit(operations);
    this.commits += 1;
    this.afterCommit?.(operations);
  }

  async #pass(operations: readonly StoreOperation[]): Promise<void> {
    if (this.gate === null && this.#held === null) return;
    const before = this.#held;
    const held = (async () => {
      await before;
      await this.gate?.(operations);
    })();
    this.#held = held;
    await held;
    if (this.#held === held) this.#held = null;
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  /** All rows, as text to compare: for "nothing has changed". */
  async rows(): Promise<ReadonlyMap<string, string>> {
    const all = await this.#inner.range({ from: '', to: '~', limit: Infinity });
    return new Map(all.map(({ key, value }) => [key, Buffer.from(value).toString('hex')]));
  }

  /** The rows of a closed store in another one: a restored backup. */
  async copy(ledger = this.#ledger): Promise<TestStore> {
    await this.#inner.open();
    const copy = await this.snapshot(ledger);
    await this.#inner.close();
    return copy;
  }

  /** The rows of an open store in another one: what a killed process leaves. */
  async snapshot(ledger = this.#ledger): Promise<TestStore> {
    const inner = new MemoryStore();
    const all = await this.#inner.range({ from: '', to: '~', limit: Infinity });
    await inner.open();
    await inner.commit(all.map(({ key, value }) => ({ put: key, value })));
    await inner.close();
    return new TestStore(ledger, inner);
  }
}
