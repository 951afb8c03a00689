/**
 * Answers requests (protocol.md §2.19): runs the handler of each and commits its answer together
 * with the removal of the request, so that whatever dies when, a request is answered at most once.
 * Owns deadlines, keys and cancelling on this side; when a request runs is `dispatcher`'s.
 */
import { addressOf, AgentMeshError, CONTENT_KIND, fingerprintOf } from '@agentmesh/crypto';
import { decodePayload, encodePayload } from '@agentmesh/protocol';
import type { JsonObject } from '@agentmesh/protocol';
import type { AgentContext } from '../agent-context.js';
import { AgentError, StorageError } from '../ground/errors.js';
import { KeyedMutex } from '../ground/keyed-mutex.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { endError, endMember } from '../message/ask.js';
import type { Ask, EndError } from '../message/ask.js';
import type { Message } from '../message/message.js';
import { exactBody, replyToMember, valueBody } from '../message/payload.js';
import { runWithin, tellOfFailure } from '../handling/handlers.js';
import type { Registered } from '../handling/handlers.js';
import type { Waiting } from '../handling/waiting-messages.js';
import type { Sender } from '../sending/sender.js';
import { ROW, stepsOf } from '../store/row-keys.js';
import { rowsUnder } from '../store/row-pages.js';
import type { RowSweeper } from '../store/row-sweeper.js';
import type { StoreOperation } from '../store/store.js';
import { answering } from './call-context.js';
import { decodeKeyRow, encodeKeyRow } from './call-row.js';
import { ProgressTeller } from './progress-teller.js';
import { RequestContext, RequestFailure } from './request-context.js';
import { Steps } from './steps.js';

/** Answers a request: an object, a text, or nothing. What it throws reaches the caller. */
export type RequestHandler = (
  request: Message,
  context: RequestContext,
) => object | string | void | Promise<object | string | void>;

/** A handler of requests with its options. */
export interface ServedHandler extends Pick<Registered, 'concurrency' | 'isOrdered' | 'limitMs'> {
  readonly run: (request: Message, context: RequestContext) => unknown;
  /** The answer arrives as exactly what it is, also where it is no object. */
  readonly isExact: boolean;
}

/** What the server works with. */
export interface RequestServerParts {
  readonly context: AgentContext;
  readonly sender: Sender;
  readonly sweeper: RowSweeper;
  readonly isFullFor: (aid: Uint8Array) => boolean;
}

/** A request that is being answered. */
interface Run {
  readonly item: Waiting;
  readonly ask: Ask;
  readonly id: string;
  readonly message: Message;
  readonly controller: AbortController;
  /** The deadline by our clock. */
  readonly byMs: number;
}

/** What goes to the caller. */
interface Answer {
  readonly members: JsonObject;
  readonly value: unknown;
  readonly isExact: boolean;
}

const ANSWER_GRACE_MS = 60_000;

/** The requests that one agent answers. */
export class RequestServer {
  readonly #parts: RequestServerParts;
  readonly #keys = new KeyedMutex();
  /** By operation; that of requests without one, and of any other, by ''. */
  readonly #handlers = new Map<string, ServedHandler>();

  constructor(parts: RequestServerParts) {
    this.#parts = parts;
  }

  get isServing(): boolean {
    return this.#handlers.size > 0;
  }

  /** Requests that may run at once. */
  get concurrency(): number {
    let most = 0;
    for (const { concurrency } of this.#handlers.values()) most = Math.max(most, concurrency);
    return most;
  }

  /** Whether the requests of one caller run one after the other. */
  isOrdered(ask: Ask): boolean {
    return this.#handlerFor(ask)?.isOrdered ?? false;
  }

  /** Adds a handler for an operation, '' for requests without one. Throws BAD_OPTION. */
  add(op: string, handler: ServedHandler): () => void {
    if (this.#handlers.has(op)) {
      const what = op === '' ? 'onRequest' : op;
      throw new AgentError('BAD_OPTION', `${what}: there is a handler already; remove it first`);
    }
    this.#handlers.set(op, handler);
    return () => void this.#handlers.delete(op);
  }

  #handlerFor({ op }: Ask): ServedHandler | undefined {
    return this.#handlers.get(op ?? '') ?? this.#handlers.get('');
  }

  /**
   * Runs the handler of a request and commits the answer. False: not now, the request stays. Throws
   * where the store fails.
   */
  async serve(item: Waiting, message: Message, inside: <T>(task: () => T) => T): Promise<boolean> {
    const { entry, controller } = item;
    const { request, row } = entry;
    if (request === null || controller === null || this.#parts.isFullFor(row.from)) return false;
    const { ask, id } = request;
    const run: Run = { item, ask, id, message, controller, byMs: this.#toOurClock(ask.byMs) };
    if (ask.key === null) return this.#answer(run, await this.#answerOf(run, inside), null);
    const key = ROW.key(row.from, ask.key);
    return this.#keys.run(key, async () => {
      const kept = await this.#keptAnswer(key);
      return this.#answer(run, kept ?? (await this.#answerOf(run, inside)), key);
    });
  }

  /** What is kept for a day: after it, requests with a key are new ones. */
  async sweep(): Promise<void> {
    const { context, sweeper } = this.#parts;
    const nowMs = context.runtime.now();
    for await (const { key, value } of rowsUnder(context.store, 'key')) {
      if (decodeKeyRow(value).untilMs <= nowMs) sweeper.delete(key);
    }
  }

  /** A request is gone: so are the results of its steps. */
  async dropSteps(id: string): Promise<void> {
    for (const operation of await this.#stepDeletions(id)) {
      if ('delete' in operation) this.#parts.sweeper.delete(operation.delete);
    }
  }

  async #stepDeletions(id: string): Promise<readonly StoreOperation[]> {
    const rows = await this.#parts.context.store.range({ ...stepsOf(id), limit: 1_000 });
    return rows.map(({ key }) => ({ delete: key }));
  }

  #toOurClock(ms: number): number {
    return ms - this.#parts.context.hubClock.aheadMs;
  }

  async #keptAnswer(key: string): Promise<Answer | null> {
    const { store, runtime } = this.#parts.context;
    const row = await store.get(key);
    if (row === null) return null;
    const { untilMs, body } = decodeKeyRow(row);
    if (untilMs <= runtime.now()) return null;
    return { members: decodePayload(body), value: undefined, isExact: false };
  }

  /** The answer of the handler, or the error that takes its place. */
  async #answerOf(run: Run, inside: <T>(task: () => T) => T): Promise<Answer> {
    const { ask, message, item } = run;
    const handler = this.#handlerFor(ask);
    const refusal = this.#refusalOf(run, handler);
    if (refusal !== null || handler === undefined) return failed(refusal ?? unknown(ask, []));
    const cancel = this.#startDeadline(run);
    try {
      const { limitMs, isExact } = handler;
      const about = { message, attempt: item.attempts, controller: run.controller };
      const value = await runWithin(this.#parts.context, { limitMs, isLoop: false }, about, () =>
        Promise.race([this.#invoke(run, handler, inside), whenAborted(run.controller.signal)]),
      );
      const answer = { members: endMember({ ok: true }), value, isExact };
      bodyOf(answer, run.id);
      return answer;
    } catch (error) {
      if (error instanceof StorageError) throw error;
      return failed(this.#failureOf(error, run));
    } finally {
      cancel();
    }
  }

  #refusalOf({ ask, byMs }: Run, handler: ServedHandler | undefined): EndError | null {
    if (ask.hops > AGENT_LIMITS.hops) return endError('LOOP', `${ask.hops} requests led here`);
    if (byMs <= this.#parts.context.runtime.now()) return endError('DEADLINE', 'it never ran');
    if (handler === undefined || ask.isStream) return unknown(ask, [...this.#handlers.keys()]);
    return null;
  }

  #startDeadline({ byMs, controller }: Run): () => void {
    const { runtime } = this.#parts.context;
    const delayMs = Math.max(0, byMs - runtime.now());
    return runtime.schedule(delayMs, () => controller.abort(new AgentError('DEADLINE')));
  }

  async #invoke(
    run: Run,
    handler: ServedHandler,
    inside: <T>(task: () => T) => T,
  ): Promise<unknown> {
    const { ask, byMs, message } = run;
    const { hops, origin, trace } = ask;
    const context = this.#contextOf(run);
    const call = { byMs, hops, origin: origin ?? message.address, trace };
    return await inside(() => answering(call, () => handler.run(message, context)));
  }

  #contextOf({ item, id, message, controller, byMs }: Run): RequestContext {
    const { context, sender } = this.#parts;
    const { row } = item.entry;
    const steps = new Steps(context.store, id);
    const progress = new ProgressTeller(context.runtime, sender, { to: row.from, id });
    return new RequestContext({
      peer: {
        name: message.sender,
        address: addressOf(row.from),
        fingerprint: fingerprintOf(row.from),
        trust: message.trust,
      },
      signal: controller.signal,
      deadline: new Date(byMs),
      // The first run of an earlier opening was not counted.
      attempt: item.attempts + (item.entry.redelivered ? 1 : 0),
      from: 0,
      once: (key, step) => steps.once(key, step),
      progress: (value) => progress.tell(value),
    });
  }

  /** What a caller learns of what a handler threw: code and message, never a stack. */
  #failureOf(error: unknown, { message, item }: Run): EndError {
    if (error instanceof RequestFailure) return error.told;
    if (error instanceof AgentError && error.code === 'REFUSED') {
      return endError('REFUSED', error.detail ?? '');
    }
    const { attempts: attempt } = item;
    if (!(error instanceof AgentError && error.code === 'CLOSED')) {
      tellOfFailure(this.#parts.context, { error, message, attempt, deadLettered: false });
    }
    if (error instanceof AgentMeshError) {
      const isOutput = error.code === 'BAD_PAYLOAD' || error.code === 'TOO_LARGE';
      const code = isOutput ? 'INVALID_OUTPUT' : error.code;
      return endError(code, error.message, { retryable: error.retryable });
    }
    const { code, retryable } = codeOf(error);
    return endError(code, error instanceof Error ? error.message : String(error), { retryable });
  }

  /** One commit: the answer, the end of the request, what is kept by its key. */
  async #answer(run: Run, answer: Answer, key: string | null): Promise<boolean> {
    const { item, id, byMs, controller } = run;
    const { context, sender } = this.#parts;
    if (isClosed(controller.signal)) return false;
    const inboxKey = item.entry.key;
    const body = bodyOf(answer, id);
    const nowMs = context.runtime.now();
    const untilMs = nowMs + AGENT_LIMITS.keyKeptMs;
    const ends: StoreOperation[] = [{ delete: inboxKey }, ...(await this.#stepDeletions(id))];
    if (key !== null)
      ends.push({ put: key, value: encodeKeyRow({ untilMs, body: bodyOf(answer, null) }) });
    const ttlMs = Math.max(0, byMs - nowMs) + ANSWER_GRACE_MS;
    try {
      await sender.turn(item.entry.row.from, async (speech) => {
        // Cancelled meanwhile: it was told so, and nothing else.
        if (!(await speech.holds(inboxKey))) return;
        speech.say({ kind: CONTENT_KIND.application, body }, null, ttlMs);
        speech.write(ends);
      });
    } catch (error) {
      if (error instanceof StorageError || !(error instanceof AgentMeshError)) throw error;
      // Nobody is there to be answered any more, or the agent ends.
      context.log.warn('request not answered', { id, code: error.code });
      if (error.retryable || error.code === 'CLOSED') return false;
      await context.store.commit(ends);
    }
    return true;
  }
}

/** The body of an answer; without `id` what is kept for other requests. */
function bodyOf({ members, value, isExact }: Answer, id: string | null): Uint8Array {
  const all = { ...members, ...(id === null ? {} : replyToMember(id)) };
  if (value === undefined) return encodePayload(all);
  return isExact ? exactBody(value, all) : valueBody(value, all);
}

function failed(error: EndError): Answer {
  return { members: endMember({ error }), value: undefined, isExact: false };
}

/** Says what is served instead, as far as it fits. */
function unknown({ op, isStream }: Ask, served: readonly string[]): EndError {
  const what = op ?? (isStream ? 'streams' : 'requests');
  const list = served.filter((name) => name !== '').join(', ');
  return endError('UNKNOWN_OPERATION', `${what}; served: ${list === '' ? 'requests' : list}`);
}

function codeOf(error: unknown): { readonly code: string; readonly retryable: boolean } {
  if (typeof error !== 'object' || error === null) return { code: 'FAILED', retryable: false };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : 'FAILED';
  return { code, retryable: 'retryable' in error && error.retryable === true };
}

function isClosed({ aborted, reason }: AbortSignal): boolean {
  return aborted && reason instanceof AgentError && reason.code === 'CLOSED';
}

/** Rejects with the signal's reason, if ever. */
function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const end = (): void => reject(signal.reason as Error);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}
