/**
 * The calls of an agent that ask another agent and answer others: `request`, `call`, `onRequest`
 * and what belongs to them. Owns their checks; `agent.ts` adds the rest of the face.
 */
import type { Callers, Contract, Handlers, StreamOf, StreamOperation } from '@agentmesh/contract';
import { addressOf } from '@agentmesh/crypto';
import type { JsonObject, JsonValue } from '@agentmesh/protocol';
import type { Call } from './calls/call.js';
import { endOf } from './calls/call-end.js';
import { callersOf, chunksOf } from './calls/contract-client.js';
import type { EventSent } from './calls/contract-client.js';
import { operationsOf, servedOperation } from './calls/contract-server.js';
import type { ServedFrom } from './calls/contract-server.js';
import type { Around } from './around/around.js';
import type { IncomingMiddleware } from './around/incoming.js';
import type { Outgoing } from './around/outgoing.js';
import { AgentStream } from './calls/agent-stream.js';
import { STREAM_WINDOW } from './calls/incoming-stream.js';
import type { Request } from './calls/open-call.js';
import type { RequestContext } from './calls/request-context.js';
import type { ServedHandler } from './calls/request-run.js';
import { STREAMS } from './calls/request-server.js';
import type { RequestHandler } from './calls/request-server.js';
import type { StreamItem } from './calls/stream-items.js';
import type { Message } from './message/message.js';
import { namesSelf, parseReference } from './conversation/trust.js';
import type { Engine } from './engine/engine.js';
import { assertCallOptions } from './engine/options.js';
import { assertMaySend } from './engine/posting.js';
import { whenThere } from './peers/peer-wait.js';
import { patienceOf } from './sending/patience.js';
import { durationMs } from './ground/duration.js';
import type { Duration } from './ground/duration.js';
import type { TraceContext } from './ground/tracing.js';
import { AgentError } from './ground/errors.js';
import { AGENT_LIMITS } from './ground/limits.js';
import { askMember, isOperation, KEY_LENGTH } from './message/ask.js';
import { exactBody, valueBody } from './message/payload.js';
import { registered } from './handling/handlers.js';
import type { HandlerOptions } from './handling/handlers.js';
import { Places } from './handling/places.js';

/** Options of `request` and `call`. */
export interface CallOptions {
  /**
   * How long the answer is wanted. Default: 5 minutes for `request`, 7 days for `call`; at most 29
   * days. Inside a handler of a request no longer than its own caller waits.
   */
  readonly timeout?: Duration | undefined;
  /** How long to wait before that for a peer that is not on the hub yet; as in `SendOptions`. */
  readonly waitForPeer?: Duration | undefined;
  /**
   * Cancels the call: the callee is told, and its handler stopped. What is not committed here by
   * then is never asked.
   */
  readonly signal?: AbortSignal | undefined;
  /** Requests with the same key to one callee within a day are run once, and get one answer. */
  readonly key?: string | undefined;
  /** What the callee says of how far it is. */
  readonly onProgress?: ((value: JsonValue) => void) | undefined;
  /** Whether no person asks; as in `SendOptions`. */
  readonly auto?: boolean | undefined;
  /**
   * The operation that is asked for, such as `research@1/summarize`, where the contract itself is
   * not at hand: the payload arrives as exactly what it is. With the contract, use `peer`.
   */
  readonly op?: string | undefined;
}

/** Answers a stream: yields chunks and returns the result. */
export type StreamHandler = (
  request: Message,
  context: RequestContext,
) => AsyncGenerator<StreamItem, unknown, void>;

/** Options of `serve`. */
export interface ServeOptions extends HandlerOptions {
  /** How far the caller's identity must be established; default `anyone`. */
  readonly from?: ServedFrom | undefined;
}

/** What is asked, beside its options. */
interface Asked {
  readonly payload: unknown;
  readonly defaultTimeout: Duration;
  readonly op?: string;
  /** Arrives as exactly what it is, also where it is no object. */
  readonly isExact?: boolean;
}

/** An agent that asks and answers. */
export abstract class CallingAgent {
  readonly #engine: Engine;
  readonly #around: Around;

  /** The machinery, of which no type leaves the package. */
  protected constructor(engine: object, around: object) {
    this.#engine = engine as Engine;
    this.#around = around as Around;
  }

  /**
   * Adds middleware around the handlers of messages, requests and streams: the first added is the
   * outermost. Returns what removes it. Throws BAD_OPTION.
   */
  use(middleware: IncomingMiddleware): () => void {
    return this.#around.incoming.use(middleware);
  }

  /** Middleware around sending. */
  get outgoing(): Outgoing {
    return this.#around.outgoing;
  }

  /**
   * Somebody has looked at what this agent and a peer say to each other: automatic messages that
   * were held since `loopSuspected` go on. Rejects with BAD_PEER or UNKNOWN_PEER.
   */
  async releaseLoop(peer: string): Promise<void> {
    const { context, introductions } = this.#engine;
    context.assertRunning();
    const reference = parseReference(peer);
    if (namesSelf(reference, context.name, context.self.aid)) {
      return this.#around.loops.release(context.self.aid);
    }
    const known = await introductions.find(reference);
    if (known === null) throw new AgentError('UNKNOWN_PEER');
    for (const aid of [...known.formerly, known.identity.aid]) {
      await this.#around.loops.release(aid);
    }
  }

  /**
   * Asks another agent and gives its answer, whatever happens to either in the meantime. Rejects
   * like {@link Call.answer}, and like `send`.
   */
  async request(
    peer: string,
    payload: string | object,
    options: CallOptions = {},
  ): Promise<JsonObject> {
    const call = await this.#ask(peer, askedWith(payload, '5m', options), options);
    return call.answer();
  }

  /**
   * Asks another agent; resolves when the request is committed here, with a handle that outlives a
   * restart. Rejects like `send`; with 10,000 open calls BACKPRESSURE.
   */
  call(peer: string, payload: string | object, options: CallOptions = {}): Promise<Call> {
    return this.#ask(peer, askedWith(payload, '7d', options), options);
  }

  /** Calls that have not ended, and those whose answers were not read, the oldest first. */
  async calls(): Promise<Call[]> {
    this.#engine.context.assertRunning();
    return this.#engine.calls.outgoing.list();
  }

  /** A call of this or an earlier run. Rejects with UNKNOWN_CALL. */
  async callById(id: string): Promise<Call> {
    this.#engine.context.assertRunning();
    return this.#engine.calls.outgoing.byId(id);
  }

  /**
   * Answers requests: what the handler returns is the answer, what it throws reaches the caller as
   * `RemoteError` with code and message. Returns what removes the handler. Throws CLOSED, or
   * BAD_OPTION, also where there is one already.
   */
  onRequest(handler: RequestHandler, options: HandlerOptions = {}): () => void {
    if (typeof handler !== 'function') throw new AgentError('BAD_OPTION', 'handler: a function');
    return this.#serve('', { ...servedWith(options), run: handler, isStream: false });
  }

  /**
   * Asks another agent for chunks: `for await (const chunk of agent.stream(…))`; `stream.result` is
   * what its generator returned. It goes on over restarts of the callee, as fast as it is read;
   * leaving the loop cancels it. What a stream throws is what a request rejects with, and
   * STREAM_BROKEN where its end does not fit.
   */
  stream(peer: string, payload: string | object, options: CallOptions = {}): AgentStream {
    return this.#stream(peer, askedWith(payload, '1h', options), options);
  }

  /**
   * Streams that were not read to their end, also those of earlier runs, the oldest first. Each
   * goes on to be read, once.
   */
  async streams(): Promise<AgentStream[]> {
    this.#engine.context.assertRunning();
    const streams = this.#engine.calls.outgoing.streams();
    return streams.map((stream) => new AgentStream(Promise.resolve(stream), undefined));
  }

  /**
   * A stream of an earlier run: what came and was not read, and all that follows; with its
   * operation of a contract the chunks are checked and typed. Throws UNKNOWN_CALL.
   */
  streamById(id: string): AgentStream;
  streamById<Op extends StreamOperation>(id: string, operation: Op): StreamOf<Op>;
  streamById(id: string, operation?: StreamOperation): AgentStream | StreamOf<StreamOperation> {
    const { context, calls } = this.#engine;
    context.assertRunning();
    const stream = new AgentStream(Promise.resolve(calls.outgoing.streamById(id)), undefined);
    if (operation === undefined) return stream;
    return chunksOf(Promise.resolve(stream), operation, context.runtime);
  }

  /**
   * Answers streams: `async function* (request, context)` yields chunks, JSON or bytes, and returns
   * the result. Where `context.from` is not 0, items before it have left in an earlier run: go on
   * there. Returns what removes the handler. Throws BAD_OPTION or CLOSED.
   */
  onStream(handler: StreamHandler, options: HandlerOptions = {}): () => void {
    if (typeof handler !== 'function') throw new AgentError('BAD_OPTION', 'handler: a function');
    return this.#serve(STREAMS, { ...servedWith(options), run: handler, isStream: true });
  }

  /**
   * Serves a contract: one handler for each of its operations, which gets the checked input. What
   * does not fit is an error to the caller and not seen by the handler. Returns what ends it.
   * Throws BAD_OPTION or CLOSED.
   */
  serve<C extends Contract>(
    contract: C,
    handlers: Handlers<C, RequestContext>,
    options: ServeOptions = {},
  ): () => void {
    const { context } = this.#engine;
    context.assertRunning();
    const { from = 'anyone', ...rest } = options;
    if (!['anyone', 'pinned', 'verified'].includes(from)) {
      throw new AgentError('BAD_OPTION', "from: 'anyone', 'pinned' or 'verified'");
    }
    const serving = { log: context.log, runtime: context.runtime, from };
    const how = servedWith(rest);
    const made = operationsOf(contract).map(([name, op, operation]) => {
      const handler: unknown = (handlers as Record<string, unknown>)[name];
      if (typeof handler !== 'function') {
        throw new AgentError('BAD_OPTION', `${contract.id}: ${name} has no handler`);
      }
      const run = servedOperation(serving, op, operation, handler.bind(handlers) as never);
      const isStream = operation.kind === 'stream';
      return { op, served: { ...how, run, isStream, isExact: true } };
    });
    const removers = made.map(({ op, served }) => this.#engine.dispatcher.addServed(op, served));
    return () => removers.forEach((remove) => remove());
  }

  /**
   * A peer that serves a contract: one function for each operation. Each rejects like `request` or
   * `stream`, with `ContractError` BAD_PAYLOAD where the input does not fit, and with
   * INVALID_OUTPUT where the answer does not.
   */
  peer<C extends Contract>(name: string, contract: C): Callers<C, CallOptions, EventSent> {
    const exact = { isExact: true } as const;
    return callersOf<C, CallOptions>(contract, {
      runtime: this.#engine.context.runtime,
      call: (op, payload, options = {}) =>
        this.#ask(name, { payload, op, defaultTimeout: '5m', ...exact }, options),
      stream: (op, payload, options = {}) =>
        this.#stream(name, { payload, op, defaultTimeout: '1h', ...exact }, options),
    });
  }

  abstract toString(): string;

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }

  #stream(peer: string, asked: Asked, options: CallOptions): AgentStream {
    const { outgoing } = this.#engine.calls;
    const begun = this.#begin(peer, asked, options, {
      credit: STREAM_WINDOW,
      go: (to, request) => outgoing.beginStream(to, request),
      endOf: ({ result }) => endOf(result),
    });
    return new AgentStream(begun, options.signal);
  }

  #serve(op: string, handler: Omit<ServedHandler, 'isExact'>): () => void {
    this.#engine.context.assertRunning();
    return this.#engine.dispatcher.addServed(op, { ...handler, isExact: handler.isStream });
  }

  async #ask(peer: string, asked: Asked, options: CallOptions): Promise<Call> {
    const { outgoing } = this.#engine.calls;
    const call = await this.#begin(peer, asked, options, {
      credit: null,
      go: (to, request) => outgoing.begin(to, request),
      endOf: ({ ended }) => ended,
    });
    cancelWith(call, options.signal);
    return call;
  }

  /** Checks what is to be asked, finds whom, and asks. `credit`: of a stream. */
  async #begin<Begun>(
    peer: string,
    asked: Asked,
    options: CallOptions,
    how: {
      readonly credit: number | null;
      readonly go: (to: Uint8Array, request: Request) => Promise<Begun>;
      readonly endOf: (begun: Begun) => Promise<Error | null>;
    },
  ): Promise<Begun> {
    const { context, introductions } = this.#engine;
    context.assertRunning();
    const reference = parseReference(peer);
    if (namesSelf(reference, context.name, context.self.aid)) {
      throw new AgentError('BAD_PEER', 'a request goes to another agent');
    }
    const { timeoutMs, key, onProgress } = checkedOptions(asked, options);
    const { credit, go } = how;
    const isStream = credit !== null;
    const { byMs: latestMs, ...way } = this.#around.nextWay(options.auto);
    const origin = way.origin ?? addressOf(context.self.aid);
    const { op = null, isExact = false } = asked;
    const common = { ...way, origin, op, isStream, credit: credit ?? 0, key };
    const { isAutomatic: auto } = way;
    const kind = isStream ? 'stream' : 'request';
    const leaving = { kind, peer, payload: asked.payload, op, auto, trace: way.trace } as const;
    const ask = async (payload: unknown, trace: TraceContext | null): Promise<Begun> => {
      const patience = patienceOf({ signal: options.signal }, context.runtime);
      try {
        const find = (): Promise<Uint8Array> => introductions.resolve(reference);
        const to = await patience.until(whenThere(context, options.waitForPeer, find));
        assertMaySend(this.#engine, to);
        this.#around.loops.sending(to, way, true);
        const byMs = Math.min(context.runtime.now() + timeoutMs, latestMs);
        const body = (): Uint8Array => {
          const member = askMember({ ...common, trace, byMs: context.hubClock.toHub(byMs) });
          return isExact ? exactBody(payload, member) : valueBody(payload, member);
        };
        return await go(to, { byMs, isStream, onProgress, body, signal: patience.signal });
      } finally {
        patience.end();
      }
    };
    return this.#around.send(leaving, ask, how.endOf);
  }
}

/** What is asked, as its options have it. */
function askedWith(payload: unknown, defaultTimeout: Duration, { op }: CallOptions = {}): Asked {
  return op === undefined
    ? { payload, defaultTimeout }
    : { payload, defaultTimeout, op, isExact: true };
}

/** Options of a request with their defaults; throws BAD_OPTION, or CANCELLED. */
function checkedOptions(asked: Asked, options: CallOptions) {
  assertCallOptions(options);
  if (options.op !== undefined && !isOperation(options.op)) {
    throw new AgentError('BAD_OPTION', 'op: a contract and its operation, as research@1/summarize');
  }
  const { signal, key = null, onProgress = null, timeout = asked.defaultTimeout } = options;
  if (key !== null && (key === '' || key.length > KEY_LENGTH)) {
    throw new AgentError('BAD_OPTION', `key: 1 to ${KEY_LENGTH} characters`);
  }
  const timeoutMs = durationMs(timeout, 'timeout');
  if (timeoutMs > AGENT_LIMITS.callMs)
    throw new AgentError('BAD_OPTION', 'timeout: at most 29 days');
  if (signal?.aborted === true) {
    const reason: unknown = signal.reason;
    throw new AgentError('CANCELLED', reasonText(reason) || undefined, reason);
  }
  return { timeoutMs, key, onProgress };
}

function cancelWith(call: Call, signal: AbortSignal | undefined): void {
  if (signal === undefined) return;
  // An agent that ends meanwhile says so to whoever waits for the answer.
  const cancel = (): void => void call.cancel(reasonText(signal.reason)).catch(() => undefined);
  if (signal.aborted) cancel();
  else signal.addEventListener('abort', cancel, { once: true });
}

function reasonText(reason: unknown): string {
  if (typeof reason === 'string') return reason;
  return reason instanceof Error ? reason.message : '';
}

/** How a handler of requests is run: as they come, if it does not say. Throws BAD_OPTION. */
function servedWith({
  order = 'none',
  ...rest
}: HandlerOptions): Pick<ServedHandler, 'isOrdered' | 'limitMs' | 'places'> {
  const { concurrency, isOrdered, limitMs } = registered(() => {}, { ...rest, order });
  return { isOrdered, limitMs, places: new Places(concurrency) };
}
