/**
 * Spans of OpenTelemetry around what an agent handles and sends. Owns their names and attributes
 * and the step between a span and the trace context of a message. Whoever wants them passes its
 * `@opentelemetry/api` in: nothing here loads it.
 */
import { AgentMeshError } from '@agentmesh/crypto';
import { RequestFailure } from '../calls/request-context.js';
import { traceContextOf } from '../ground/tracing.js';
import type { TraceContext } from '../ground/tracing.js';
import type { IncomingContext } from './incoming.js';
import type { OutgoingContext } from './outgoing.js';
import type { Middleware } from './shipped.js';

/** What is used of `SpanContext`. */
export interface TelemetrySpanContext {
  traceId: string;
  spanId: string;
  traceFlags: number;
  isRemote?: boolean;
  traceState?: TelemetryTraceState;
}

/** What is used of `TraceState`; the others pass through. */
export interface TelemetryTraceState {
  set(key: string, value: string): TelemetryTraceState;
  unset(key: string): TelemetryTraceState;
  get(key: string): string | undefined;
  serialize(): string;
}

/** What is used of `Span`. */
export interface TelemetrySpan {
  spanContext(): TelemetrySpanContext;
  setAttribute(key: string, value: string | number | boolean): unknown;
  setStatus(status: { code: number; message?: string }): unknown;
  end(): void;
}

/** What is used of the module `@opentelemetry/api`: `import * as api from '@opentelemetry/api'`. */
export interface TelemetryApi<Context = unknown, Span extends TelemetrySpan = TelemetrySpan> {
  readonly trace: {
    getTracer(name: string): {
      startSpan(
        name: string,
        options: { kind: number; attributes: Record<string, string | number | boolean> },
        context: Context,
      ): Span;
    };
    getSpan(context: Context): Span | undefined;
    setSpan(context: Context, span: Span): Context;
    setSpanContext(context: Context, spanContext: TelemetrySpanContext): Context;
  };
  readonly context: {
    active(): Context;
    with<Result>(context: Context, task: () => Result): Result;
  };
  isSpanContextValid(spanContext: TelemetrySpanContext): boolean;
  createTraceState(rawTraceState?: string): TelemetryTraceState;
  readonly SpanKind: {
    readonly SERVER: number;
    readonly CLIENT: number;
    readonly PRODUCER: number;
    readonly CONSUMER: number;
  };
  readonly SpanStatusCode: { readonly ERROR: number };
}

const TRACER = '@agentmesh/agent';
const VERSION = '00';

/**
 * Middleware for both ways: `agent.use(spans)` gives a span `process` for each run of a handler,
 * `agent.outgoing.use(spans)` one `send`, `call` or `stream` for what leaves; those of calls and
 * streams end with their answer. The trace travels inside the encryption, so that the spans of two
 * agents are one trace. Attributes name peer, operation and error code, never the content.
 */
export function openTelemetry<Context, Span extends TelemetrySpan>(
  api: TelemetryApi<Context, Span>,
): Middleware {
  const spans = new Spans(api);
  return (context, next) =>
    context.direction === 'incoming'
      ? spans.incoming(context, next)
      : spans.outgoing(context, next);
}

class Spans<Context, Span extends TelemetrySpan> {
  readonly #api: TelemetryApi<Context, Span>;

  constructor(api: TelemetryApi<Context, Span>) {
    this.#api = api;
  }

  async incoming(context: IncomingContext, next: () => Promise<unknown>): Promise<unknown> {
    const { trace, context: contexts, SpanKind } = this.#api;
    const { kind, peer, op, attempt, message } = context;
    const parent = this.#after(contexts.active(), context.trace);
    const about = {
      kind: kind === 'message' ? SpanKind.CONSUMER : SpanKind.SERVER,
      attributes: {
        ...attributesOf('process', kind, { peer: peer.name, op }),
        'messaging.message.id': message.id,
        'agentmesh.attempt': attempt,
        'agentmesh.trust': peer.trust,
      },
    };
    const span = trace.getTracer(TRACER).startSpan(nameOf('process', op), about, parent);
    try {
      return await contexts.with(trace.setSpan(parent, span), next);
    } catch (error) {
      this.#failed(span, error);
      throw error;
    } finally {
      span.end();
    }
  }

  async outgoing(context: OutgoingContext, next: () => Promise<unknown>): Promise<unknown> {
    const { trace, context: contexts, SpanKind } = this.#api;
    const { kind, peer, op } = context;
    const active = contexts.active();
    const isInside = trace.getSpan(active) !== undefined;
    // Without a context manager no span is ever active: what is handled knows the trace.
    const parent = isInside ? active : this.#after(active, context.trace);
    const isAsked = kind === 'request' || kind === 'stream';
    const what = kind === 'request' ? 'call' : isAsked ? kind : 'send';
    const about = {
      kind: isAsked ? SpanKind.CLIENT : SpanKind.PRODUCER,
      attributes: attributesOf(what, kind, { peer, op }),
    };
    const span = trace.getTracer(TRACER).startSpan(nameOf(what, op), about, parent);
    context.trace = this.#traceOf(span) ?? context.trace;
    void this.#endWith(span, context.ended);
    return contexts.with(trace.setSpan(parent, span), next);
  }

  async #endWith(span: Span, ended: Promise<Error | null>): Promise<void> {
    const error = await ended;
    if (error !== null) this.#failed(span, error);
    span.end();
  }

  /** The context in which what a message has begun goes on. */
  #after(context: Context, from: TraceContext | null): Context {
    if (from === null) return context;
    const [, traceId = '', spanId = '', flags = ''] = from.parent.split('-');
    const traceState =
      from.state === null ? {} : { traceState: this.#api.createTraceState(from.state) };
    return this.#api.trace.setSpanContext(context, {
      traceId,
      spanId,
      traceFlags: Number.parseInt(flags, 16),
      isRemote: true,
      ...traceState,
    });
  }

  /** What a span's message carries; null for one that nobody records. */
  #traceOf(span: Span): TraceContext | null {
    const context = span.spanContext();
    if (!this.#api.isSpanContextValid(context)) return null;
    const { traceId, spanId, traceFlags, traceState } = context;
    const flags = (traceFlags & 0xff).toString(16).padStart(2, '0');
    return traceContextOf([VERSION, traceId, spanId, flags].join('-'), traceState?.serialize());
  }

  /** The code only: a message may hold what was said. */
  #failed(span: Span, error: unknown): void {
    const code = codeOf(error);
    span.setAttribute('error.type', code);
    span.setStatus({ code: this.#api.SpanStatusCode.ERROR, message: code });
  }
}

function nameOf(what: string, op: string | null): string {
  return op === null ? what : `${what} ${op}`;
}

function attributesOf(
  what: string,
  kind: string,
  { peer, op }: { readonly peer: string; readonly op: string | null },
): Record<string, string | number | boolean> {
  return {
    'messaging.system': 'agentmesh',
    'messaging.operation.name': what,
    'agentmesh.kind': kind,
    'agentmesh.peer': peer,
    ...(op === null ? {} : { 'agentmesh.operation': op }),
  };
}

function codeOf(error: unknown): string {
  if (error instanceof AgentMeshError) return error.code;
  if (error instanceof RequestFailure) return error.told.code;
  if (typeof error === 'object' && error !== null && 'code' in error) return String(error.code);
  return error instanceof Error ? error.name : 'error';
}
