/**
 * Messages as an async iterator: one at a time, the next one only when it is asked for. Owns the
 * hand-over between a handler's promise and the loop that reads.
 */
import { AgentError } from '../ground/errors.js';
import type { Holder } from '../ground/keep-alive.js';
import { enter, isInside } from '../ground/inside.js';
import type { Message } from './message.js';

/** Registers a handler; the returned function removes it. */
export type Subscribe = (handler: (message: Message) => Promise<void>) => () => void;

/** A message that waits for the loop, or that the loop has; settled once. */
interface Offer {
  readonly message: Message;
  readonly handled: () => void;
  readonly failed: (error: AgentError) => void;
}

/**
 * A message counts as handled when the loop asks for the next one. A loop that is left, by `break`
 * or by an error of its body, which look the same from here, has not handled its last message
 * unless it said so with `done()`. Nothing is taken before the loop asks for the first.
 */
export class MessageStream implements AsyncIterableIterator<Message> {
  readonly #subscribe: Subscribe;
  /** While the loop waits for a message. */
  readonly #holder: Holder;
  #unsubscribe: (() => void) | null = null;
  /** What the loop has now. */
  #current: Offer | null = null;
  readonly #offered: Offer[] = [];
  readonly #asking: ((result: IteratorResult<Message, undefined>) => void)[] = [];
  #ended = false;

  constructor(subscribe: Subscribe, holder: Holder) {
    this.#subscribe = subscribe;
    this.#holder = holder;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Message, undefined>> {
    enter(this);
    this.#current?.handled();
    this.#current = null;
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

  /** Whether the caller is the body of this loop. */
  get isInBody(): boolean {
    return this.#current !== null && isInside(this);
  }

  /** No more messages; a loop that waits for one ends. It may still complete the one it has. */
  finish(): void {
    this.#ended = true;
    for (const { failed } of this.#offered.splice(0)) failed(leftBehind());
    for (const resolve of this.#asking.splice(0)) resolve({ done: true, value: undefined });
    this.#holder(false);
  }

  /** The same, and what the loop has is not handled, unless it said so. */
  end(): void {
    const current = this.#current;
    this.#current = null;
    if (current?.message.isDone === true) current.handled();
    else current?.failed(leftBehind());
    // Later: what was given back is for those handlers that are still there.
    this.#unsubscribe?.();
    this.finish();
  }

  #offer(message: Message): Promise<void> {
    return new Promise((handled, failed) => {
      this.#offered.push({ message, handled, failed });
      this.#match();
    });
  }

  #match(): void {
    while (this.#current === null && this.#offered.length > 0) {
      const resolve = this.#asking.shift();
      const offer = resolve === undefined ? undefined : this.#offered.shift();
      if (resolve === undefined || offer === undefined) break;
      this.#current = offer;
      resolve({ done: false, value: offer.message });
    }
    this.#holder(this.#asking.length > 0);
  }
}

function leftBehind(): AgentError {
  return new AgentError('NOT_HANDLED');
}
