/**
 * What a handler of requests works with besides the request: who asks, until when, and steps whose
 * results outlive a crash. Owns this face; running handlers is `request-server`'s.
 */
import type { JsonValue } from '@agentmesh/protocol';
import type { EndError } from '../message/ask.js';
import { endError } from '../message/ask.js';
import type { Trust } from '../conversation/peer.js';

/** Who asks. */
export interface Requester {
  readonly name: string;
  readonly address: string;
  readonly fingerprint: string;
  readonly trust: Trust;
}

/** An error with a code, thrown by a handler to tell it to the caller. */
export class RequestFailure extends Error {
  override readonly name = 'RequestFailure';
  readonly told: EndError;

  constructor(told: EndError) {
    super(`${told.code}${told.message === '' ? '' : `: ${told.message}`}`);
    this.told = told;
  }
}

/** The error that a context gives its handler, or middleware around it, to throw. */
export function failureOf(
  code: string,
  data: JsonValue,
  { message = '', retryable = false }: { readonly message?: string; readonly retryable?: boolean },
): RequestFailure {
  return new RequestFailure(endError(code, message, { retryable, data }));
}

/** What its server does for a context. */
export interface ContextMeans {
  readonly peer: Requester;
  readonly signal: AbortSignal;
  readonly deadline: Date;
  readonly attempt: number;
  readonly from: () => number;
  readonly once: <T>(key: string, step: () => T | Promise<T>) => Promise<T>;
  readonly progress: (value: JsonValue) => void;
}

/** What a handler gets with a request. */
export class RequestContext {
  readonly #means: ContextMeans;

  constructor(means: ContextMeans) {
    this.#means = means;
  }

  /** Who asks, authenticated, and how far its identity was established. */
  get peer(): Requester {
    return this.#means.peer;
  }

  /**
   * Aborted when nobody wants the answer any more: the deadline has passed, the caller has
   * cancelled, or the agent ends.
   */
  get signal(): AbortSignal {
    return this.#means.signal;
  }

  /** When the caller no longer waits, by this agent's clock. */
  get deadline(): Date {
    return this.#means.deadline;
  }

  /** 1, or more where an earlier opening of the agent may have begun this request. */
  get attempt(): number {
    return this.#means.attempt;
  }

  /** Number of the first item that a stream has to give: those before it have arrived. */
  get from(): number {
    return this.#means.from();
  }

  /**
   * Runs a step once for this request, however often the request runs: its result, which must be
   * JSON, is stored before it is returned. A crash in the middle of the step runs it again.
   */
  once<T>(key: string, step: () => T | Promise<T>): Promise<T> {
    return this.#means.once(key, step);
  }

  /** Tells the caller how far this is; of several in a short time it may see the latest only. */
  progress(value: JsonValue): void {
    this.#means.progress(value);
  }

  /** An error to throw: the caller gets its code, such as `PAYWALL`, and its data. */
  error(
    code: string,
    data: JsonValue = null,
    about: { readonly message?: string; readonly retryable?: boolean } = {},
  ): Error {
    return failureOf(code, data, about);
  }
}
