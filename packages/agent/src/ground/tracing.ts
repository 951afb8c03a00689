/**
 * Traces as an agent sees them: W3C trace context, which travels inside the encryption, and who
 * makes spans, if anybody does. Owns the reading of `traceparent`; spans are the application's.
 */

/** Where a trace goes on: the headers of W3C Trace Context. */
export interface TraceContext {
  /** `traceparent`: version, trace, span and flags. */
  readonly parent: string;
  /** `tracestate`; null where there is none. */
  readonly state: string | null;
}

/** What a span is about. */
export interface SpanStart {
  /**
   * `send`: a message on its way into the outbox. `process`: the handlers of a received one.
   * `call`, `stream`: a request of ours until its answer.
   */
  readonly name: 'send' | 'process' | 'call' | 'stream';
  readonly agent: string;
  readonly peer: string;
  /** Operation of a contract; null without one. */
  readonly op: string | null;
  /** Of the received message; null while the message has none. */
  readonly messageId: string | null;
  /** What the span continues where the tracing knows nothing nearer; null: it begins a trace. */
  readonly parent: TraceContext | null;
}

/** A span that has begun. */
export interface TraceSpan {
  /** What the message carries, for its recipient to go on with; null: nothing is recorded. */
  readonly context: TraceContext | null;
  /** Runs a task as part of the span. */
  run<Result>(task: () => Result): Result;
  /** The id that the message got. */
  named(messageId: string): void;
  /** Ends the span; `error`: what the work failed with. */
  end(error?: unknown): void;
}

/** Makes spans: such as `openTelemetry()` of `@agentmesh/agent/opentelemetry`. */
export interface Tracing {
  start(span: SpanStart): TraceSpan;
}

const PARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const STATE = /^[\x20-\x7e]*$/;
const STATE_LENGTH = 512;

/** The context in what a message carries; null if there is none, or one that is none. */
export function traceContextOf(parent: unknown, state: unknown): TraceContext | null {
  if (typeof parent !== 'string' || !PARENT.test(parent)) return null;
  const isState = typeof state === 'string' && state.length <= STATE_LENGTH && STATE.test(state);
  return { parent, state: isState && state !== '' ? state : null };
}
