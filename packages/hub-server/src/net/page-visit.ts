/**
 * One connection that asks for pages: how many answers it is owed, and what it holds of the hub's
 * memory with those that it does not read. Owns both bounds; pages are `http-pages`'.
 */
import type { Socket } from 'node:net';
import type { Holder, MemoryBudget } from './memory-budget.js';

/** Requests without an answer on one connection: nobody who reads answers sends more ahead. */
const MOST_OPEN = 8;

/** From its first request to its end. */
export class PageVisit implements Holder {
  readonly #socket: Socket;
  readonly #budget: MemoryBudget;
  readonly #monotonic: () => number;
  #open = 0;
  #bytes = 0;
  /** Since when an answer has been waiting to be read; null while none is. */
  #sinceMs: number | null = null;

  constructor(socket: Socket, budget: MemoryBudget, monotonic: () => number) {
    this.#socket = socket;
    this.#budget = budget;
    this.#monotonic = monotonic;
    socket.once('close', () => this.#hold(-this.#bytes));
  }

  get heldSinceMs(): number {
    return this.#sinceMs ?? this.#monotonic();
  }

  /** A request has come; false if there are too many: the connection is over then. */
  begin(): boolean {
    if (this.#socket.destroyed) return false;
    this.#open += 1;
    if (this.#open <= MOST_OPEN) return true;
    this.destroy();
    return false;
  }

  /** An answer has so many bytes; gives what to call once they are gone. */
  answer(bytes: number): () => void {
    this.#sinceMs ??= this.#monotonic();
    this.#hold(bytes);
    return () => {
      this.#open -= 1;
      this.#sinceMs = this.#open === 0 ? null : this.#monotonic();
      if (!this.#socket.destroyed) this.#hold(-bytes);
    };
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #hold(bytes: number): void {
    this.#bytes += bytes;
    this.#budget.update(this, this.#bytes);
  }
}
