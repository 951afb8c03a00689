/**
 * What middleware around handlers works with: the message, who sent it, and how it came here. Owns
 * this face.
 */
import type { JsonValue } from '@agentmesh/protocol';
import { failureOf } from '../calls/request-context.js';
import type { Requester } from '../calls/request-context.js';
import type { TraceContext } from '../ground/tracing.js';
import type { Handled } from '../handling/surroundings.js';
import type { Message } from '../message/message.js';
import type { Layer } from './onion.js';

/** A message that its handlers are about to get. */
export class IncomingContext {
  readonly direction = 'incoming';
  readonly kind: 'message' | 'request' | 'stream';
  readonly message: Message;
  /** Operation of a contract; null without one. */
  readonly op: string | null;
  /** Runs begun, this one included. */
  readonly attempt: number;
  /** When the caller of a request no longer waits; null for a plain message. */
  readonly deadline: Date | null;
  /** What its sender says: how many led to this one, who began, whether no person wrote it. */
  readonly hops: number;
  readonly origin: string | null;
  readonly auto: boolean;
  /** W3C Trace Context that it carries, as its sender says. */
  readonly trace: TraceContext | null;
  /** When this run began, by a clock that only rises and that nobody sets. */
  readonly startedMs: number;
  readonly #now: () => number;

  constructor({ entry, message, attempt, request }: Handled, now: () => number) {
    this.kind = kindOf(request);
    this.message = message;
    this.op = request?.ask.op ?? null;
    this.attempt = attempt;
    this.deadline = request === null ? null : new Date(request.byMs);
    this.hops = entry.way.hops;
    this.origin = entry.way.origin;
    this.auto = entry.way.isAutomatic;
    this.trace = entry.way.trace;
    this.startedMs = now();
    this.#now = now;
  }

  /** Who sent it, authenticated, and how far its identity was established. */
  get peer(): Requester {
    const { sender: name, address, fingerprint, trust } = this.message;
    return { name, address, fingerprint, trust };
  }

  /** Aborted when the handlers' work is not wanted any more. */
  get signal(): AbortSignal {
    return this.message.signal;
  }

  /** Milliseconds since the run began. */
  get elapsedMs(): number {
    return this.#now() - this.startedMs;
  }

  /** An error to throw, as `context.error` in a handler: the caller gets its code and its data. */
  error(
    code: string,
    data: JsonValue = null,
    about: { readonly message?: string; readonly retryable?: boolean } = {},
  ): Error {
    return failureOf(code, data, about);
  }
}

function kindOf(request: Handled['request']): IncomingContext['kind'] {
  if (request === null) return 'message';
  return request.ask.isStream ? 'stream' : 'request';
}

/**
 * Middleware around handlers. What it throws means what it means in a handler. What it returns, if
 * anything, is answered instead of what `next` gave. One that does not call `next` keeps the
 * handlers from running: the message counts as handled.
 */
export type IncomingMiddleware = Layer<IncomingContext>;
