/**
 * Steps of a request whose results outlive a crash. Owns their rows; they go when the request is
 * answered.
 */
import { decodePayload, encodePayload } from '@agentmesh/protocol';
import type { JsonValue } from '@agentmesh/protocol';
import { AgentError } from '../ground/errors.js';
import { KEY_LENGTH } from '../message/ask.js';
import { ROW } from '../store/row-keys.js';
import type { AgentStore, StoreOperation } from '../store/store.js';

/** Steps of one request. */
export class Steps {
  readonly #store: AgentStore;
  readonly #id: string;
  /** Steps under way: two of one key are one. */
  readonly #running = new Map<string, Promise<unknown>>();
  readonly #signal: AbortSignal;
  /** Results that are being written. */
  readonly #writing = new Set<Promise<void>>();
  readonly #onKept: () => void;
  #isOver = false;

  /** `signal`: nobody wants the answer any more. `onKept`: the result of a step is stored. */
  constructor(store: AgentStore, id: string, signal: AbortSignal, onKept: () => void) {
    this.#onKept = onKept;
    this.#store = store;
    this.#id = id;
    this.#signal = signal;
  }

  /** The request ends: nothing more is kept, and what is being written is there. */
  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.allSettled(this.#writing);
  }

  /**
   * The step's result: stored, if it has run before. Throws BAD_OPTION or BAD_PAYLOAD; where nobody
   * wants the answer any more, why.
   */
  async once<T>(key: string, step: () => T | Promise<T>): Promise<T> {
    if (typeof key !== 'string' || key === '' || key.length > KEY_LENGTH) {
      throw new AgentError('BAD_OPTION', `key of a step: 1 to ${KEY_LENGTH} characters`);
    }
    const running = this.#running.get(key);
    if (running !== undefined) return running as Promise<T>;
    const run = this.#run(key, step);
    this.#running.set(key, run);
    try {
      return await run;
    } finally {
      this.#running.delete(key);
    }
  }

  async #run<T>(key: string, step: () => T | Promise<T>): Promise<T> {
    const row = ROW.step(this.#id, key);
    const stored = await this.#store.get(row);
    if (stored !== null) return decodePayload(stored)['value'] as T;
    this.#signal.throwIfAborted();
    const value = await step();
    const json = value === undefined ? {} : { value: value as JsonValue };
    const result = encodePayload(json);
    // A handler that goes on after its request has ended leaves nothing. One that is stopped does:
    // the request may run again, and this step has run.
    if (this.#isOver) throw new AgentError('CLOSED', 'the request has ended');
    await this.#write({ put: row, value: result });
    return value;
  }

  async #write(operation: StoreOperation): Promise<void> {
    const writing = this.#store.commit([operation]);
    this.#writing.add(writing);
    try {
      await writing;
      this.#onKept();
    } finally {
      this.#writing.delete(writing);
    }
  }
}
