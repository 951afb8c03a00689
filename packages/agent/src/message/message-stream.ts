/**
 * Messages as an async iterator: one at a time, the next one only when it is asked for. Owns the
 * hand-over between a handler's promise and the loop that reads.
 */
import type { Message } from './message.js';

/** Registers a handler; the returned function removes it. */
export type Subscribe = (handler: (message: Message) => Promise<void>) => () => void;

/**
 * A message counts as handled when the loop asks for the next one or ends. Nothing is taken before
 * the loop asks for the first.
 */
export class MessageStream implements AsyncIterableIterator<Message> {
  readonly #subscribe: Subscribe;
  #unsubscribe: (() => void) | null = null;
  /** Ends the handler's wait for the message that the loop has now. */
  #release: (() => void) | null = null;
  readonly #offered: { readonly message: Message; readonly release: () => void }[] = [];
  readonly #asking: ((result: IteratorResult<Message, undefined>) => void)[] = [];
  #ended = false;

  constructor(subscribe: Subscribe) {
    this.#subscribe = subscribe;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Message, undefined>> {
    this.#letGo();
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => {
      this.#asking.push(resolve);
      this.#unsubscribe ??= this.#subscribe((message) => this.#offer(message));
      this.#match();
    });
  }

  return(): Promise<IteratorResult<Message, undefined>> {
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** No more messages; whoever waits for one is told. */
  end(): void {
    this.#ended = true;
    this.#letGo();
    this.#unsubscribe?.();
    for (const { release } of this.#offered.splice(0)) release();
    for (const resolve of this.#asking.splice(0)) resolve({ done: true, value: undefined });
  }

  #letGo(): void {
    this.#release?.();
    this.#release = null;
  }

  #offer(message: Message): Promise<void> {
    return new Promise((release) => {
      this.#offered.push({ message, release });
      this.#match();
    });
  }

  #match(): void {
    while (this.#offered.length > 0 && this.#asking.length > 0) {
      const offer = this.#offered.shift();
      const resolve = this.#asking.shift();
      if (offer === undefined || resolve === undefined) return;
      this.#release = offer.release;
      resolve({ done: false, value: offer.message });
    }
  }
}
