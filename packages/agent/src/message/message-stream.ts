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

/** What surrounds the body of a loop, which the handler of its messages does not call. */
export interface BodyScope {
  /** The code that calls this is the body. */
  enter(): void;
  /** A handler has a message for the loop; the returned function: now the body has it. */
  offered(): () => void;
  /** The body has no message any more. */
  left(): void;
}

/** A message that waits for the loop, or that the loop has; settled once. */
interface Offer {
  readonly message: Message;
  /** What the body does from now on belongs to this message. */
  readonly begin: () => void;
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
  readonly #scope: BodyScope;
  #unsubscribe: (() => void) | null = null;
  /** What the loop has now. */
  #current: Offer | null = null;
  readonly #offered: Offer[] = [];
  readonly #asking: ((result: IteratorResult<Message, undefined>) => void)[] = [];
  #ended = false;

  constructor(subscribe: Subscribe, holder: Holder, scope: BodyScope) {
    this.#subscribe = subscribe;
    this.#holder = holder;
    this.#scope = scope;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Message, undefined>> {
    enter(this);
    this.#scope.enter();
    this.#current?.handled();
    this.#leave();
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
    this.#leave();
    if (current?.message.isDone === true) current.handled();
    else current?.failed(leftBehind());
    // Later: what was given back is for those handlers that are still there.
    this.#unsubscribe?.();
    this.finish();
  }

  #leave(): void {
    this.#current = null;
    this.#scope.left();
  }

  #offer(message: Message): Promise<void> {
    return new Promise((handled, failed) => {
      this.#offered.push({ message, begin: this.#scope.offered(), handled, failed });
      this.#match();
    });
  }

  #match(): void {
    while (this.#current === null && this.#offered.length > 0) {
      const resolve = this.#asking.shift();
      const offer = resolve === undefined ? undefined : this.#offered.shift();
      if (resolve === undefined || offer === undefined) break;
      this.#current = offer;
      offer.begin();
      resolve({ done: false, value: offer.message });
    }
    this.#holder(this.#asking.length > 0);
  }
}

function leftBehind(): AgentError {
  return new AgentError('NOT_HANDLED');
}
