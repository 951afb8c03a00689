/**
 * What middleware around sending works with: to whom, what, and whether a person wrote it. Owns
 * this face.
 */
import type { TraceContext } from '../ground/tracing.js';
import type { Layer } from './onion.js';

/** What is about to be sent. */
export interface Leaving {
  /** `reply`: what `msg.reply` answers. */
  readonly kind: 'message' | 'reply' | 'request' | 'stream';
  /** As the program named it; for a reply the name of the sender. */
  readonly peer: string;
  readonly payload: unknown;
  readonly op: string | null;
  readonly auto: boolean;
  readonly trace: TraceContext | null;
}

/** A message of the application, before it is checked and sealed. */
export class OutgoingContext {
  readonly direction = 'outgoing';
  readonly kind: Leaving['kind'];
  readonly peer: string;
  /** Operation of a contract; null without one. */
  readonly op: string | null;
  /** Whether no person has written it. */
  readonly auto: boolean;
  /** What is sent: another value may be put in its place before `next` is called. */
  payload: unknown;
  /** W3C Trace Context that it carries; another may be put in its place before `next` is called. */
  trace: TraceContext | null;
  /**
   * Fulfilled when a request or a stream has its end, and everything else when it is sent: with
   * null, or with why it failed.
   */
  readonly ended: Promise<Error | null>;
  /** When this began, by a clock that only rises and that nobody sets. */
  readonly startedMs: number;
  readonly #now: () => number;

  constructor(
    { kind, peer, payload, op, auto, trace }: Leaving,
    ended: Promise<Error | null>,
    now: () => number,
  ) {
    this.kind = kind;
    this.peer = peer;
    this.payload = payload;
    this.op = op;
    this.auto = auto;
    this.trace = trace;
    this.ended = ended;
    this.startedMs = now();
    this.#now = now;
  }

  /** Milliseconds since it began. */
  get elapsedMs(): number {
    return this.#now() - this.startedMs;
  }
}

/**
 * Middleware around sending. `next` resolves when the message is sent as far as its caller waits
 * for: accepted by the hub, or for a request and a reply committed here. What it throws reaches the
 * caller; what it returns counts for nothing. One that does not call `next` keeps the message from
 * being sent: the caller gets NOT_SENT.
 */
export type OutgoingMiddleware = Layer<OutgoingContext>;

/** `agent.outgoing`: where middleware around sending is added. */
export interface Outgoing {
  /** Adds one inside of the others; returns what removes it. Throws BAD_OPTION. */
  use(middleware: OutgoingMiddleware): () => void;
}
