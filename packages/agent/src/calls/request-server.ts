/**
 * Answers requests (protocol.md §2.19): runs the handler of each and commits its answer together
 * with the removal of the request, so that whatever dies when, a request is answered at most once.
 * Owns deadlines, keys and cancelling on this side; when a request runs is `dispatcher`'s.
 */
import { AgentMeshError, CONTENT_KIND } from '@agentmesh/crypto';
import { decodePayload, encodePayload } from '@agentmesh/protocol';
import type { JsonObject } from '@agentmesh/protocol';
import { AgentError, StorageError } from '../ground/errors.js';
import { KeyedMutex } from '../ground/keyed-mutex.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { endError, endMember } from '../message/ask.js';
import type { Ask, EndError } from '../message/ask.js';
import { decodeInboxRow } from '../message/inbox.js';
import type { Message } from '../message/message.js';
import { exactBody, replyToMember, valueBody } from '../message/payload.js';
import { CONCURRENCY, runWithin } from '../handling/handlers.js';
import { Places } from '../handling/places.js';
import { entryOf } from '../handling/waiting-messages.js';
import type { InboxEntry, Waiting, WaitingRequest } from '../handling/waiting-messages.js';
import { ROW } from '../store/row-keys.js';
import { rowsUnder } from '../store/row-pages.js';
import type { RowSweeper } from '../store/row-sweeper.js';
import type { StoreOperation } from '../store/store.js';
import { decodeKeyRow, encodeKeyRow } from './call-row.js';
import type { RequestContext } from './request-context.js';
import { RequestRun } from './request-run.js';
import type { Inside, RunParts, ServedHandler } from './request-run.js';
import { StreamServer } from './stream-server.js';

/** Answers a request: an object, a text, or nothing. What it throws reaches the caller. */
export type RequestHandler = (
  request: Message,
  context: RequestContext,
) => object | string | void | Promise<object | string | void>;

/** What the server works with. */
export interface RequestServerParts extends RunParts {
  readonly sweeper: RowSweeper;
  readonly isFullFor: (aid: Uint8Array) => boolean;
}

/** What goes to the caller. */
interface Answer {
  readonly members: JsonObject;
  readonly value: unknown;
  readonly isExact: boolean;
}

/** Stands for the operation of streams that name none. */
export const STREAMS = 'streams';
/** Handlers of no operation: they get operations, too, where no contract is served. */
const PLAIN: ReadonlySet<string> = new Set(['', STREAMS]);
const ANSWER_GRACE_MS = 60_000;

/** The requests that one agent answers. */
export class RequestServer {
  readonly streams: StreamServer;
  readonly #parts: RequestServerParts;
  readonly #keys = new KeyedMutex();
  /** By operation; that of requests without one, and of any other, by ''. */
  readonly #handlers = new Map<string, ServedHandler>();
  readonly #unserved = new Places(CONCURRENCY);
  /** Requests whose handler works, perhaps after its run was given up. */
  readonly #working = new Set<Waiting>();

  constructor(parts: RequestServerParts) {
    this.#parts = parts;
    this.streams = new StreamServer(parts);
  }

  get isServing(): boolean {
    return this.#handlers.size > 0;
  }

  /** The places of the handler that a request is for; others answer that there is none. */
  placesFor(ask: Ask): Places {
    return this.#handlerFor(ask)?.places ?? this.#unserved;
  }

  /** Whether a request may run now. */
  hasPlaceFor({ request, sender }: WaitingRequest['entry']): boolean {
    return this.placesFor(request.ask).hasRoomFor(sender);
  }

  /** Whether the requests of one caller run one after the other. */
  isOrdered(ask: Ask): boolean {
    return this.#handlerFor(ask)?.isOrdered ?? false;
  }

  /**
   * Adds a handler for an operation, '' for requests and {@link STREAMS} for streams without one.
   * Throws BAD_OPTION.
   */
  add(op: string, handler: ServedHandler): () => void {
    if (this.#handlers.has(op)) {
      throw new AgentError(
        'BAD_OPTION',
        `${op === '' ? 'requests' : op}: there is a handler already; remove it first`,
      );
    }
    this.#handlers.set(op, handler);
    return () => void this.#handlers.delete(op);
  }

  /** The agent ends: streams whose readers are waited for go on in its next run. */
  close(): void {
    for (const { places } of this.#handlers.values()) places.close();
  }

  #handlerFor({ op, isStream }: Ask): ServedHandler | undefined {
    const named = op === null ? undefined : this.#handlers.get(op);
    // An operation that no contract here has, such as one of another major, is no plain request.
    const isPlain = op === null || ![...this.#handlers.keys()].some((name) => !PLAIN.has(name));
    const plain = isPlain ? this.#handlers.get(isStream ? STREAMS : '') : undefined;
    const handler = named ?? plain;
    return handler?.isStream === isStream ? handler : undefined;
  }

  /**
   * Runs the handler of a request and commits the answer. False: not now, the request stays. Throws
   * where the store fails.
   */
  async serve(item: Waiting, message: Message, inside: Inside): Promise<boolean> {
    const { entry, controller } = item;
    const { request, row } = entry;
    if (request === null || controller === null) return false;
    const about = { request, message, working: this.#working };
    const run = new RequestRun(this.#parts, item, about, controller);
    const handler = this.#handlerFor(run.ask);
    const refusal = run.refusal() ?? (handler === undefined ? this.#unknown(run.ask) : null);
    // One whose time is over ends whatever waits: else two agents whose queues are full of requests
    // wait for each other.
    if (refusal?.code !== 'DEADLINE' && this.#parts.isFullFor(row.from)) return false;
    if (refusal !== null || handler === undefined) {
      return this.#answer(run, failed(refusal ?? this.#unknown(run.ask)), null);
    }
    // A run that nobody could be told of is given up, and its handler may go on: never two at once.
    if (this.#working.has(item)) return false;
    if (handler.isStream) {
      return this.streams.serve(run, handler, inside, () => this.#endsOf(run));
    }
    const { key: asked } = run.ask;
    if (asked === null) return this.#answer(run, await this.#answerOf(run, handler, inside), null);
    const key = ROW.key(row.from, asked);
    return this.#keys.run(key, async () => {
      const kept = await this.#keptAnswer(key);
      return this.#answer(run, kept ?? (await this.#answerOf(run, handler, inside)), key);
    });
  }

  /** Says what is served instead, as far as it fits. */
  #unknown({ op, isStream }: Ask): EndError {
    const what = op ?? (isStream ? 'streams' : 'requests');
    const served = [...this.#handlers.keys()].map((name) => (name === '' ? 'requests' : name));
    return endError('UNKNOWN_OPERATION', `${what}; served: ${served.join(', ')}`);
  }

  /** What is kept for a day: after it, requests with a key are new ones. */
  async sweep(): Promise<void> {
    const { context, sweeper } = this.#parts;
    const nowMs = context.runtime.now();
    for await (const { key, value } of rowsUnder(context.store, 'key')) {
      if (decodeKeyRow(value).untilMs <= nowMs) sweeper.delete(key);
    }
  }

  /** What a process left that died between the end of a request and the deletion of its rows. */
  async load(): Promise<void> {
    const { context, sweeper } = this.#parts;
    const left = new Map<string, string[]>();
    for (const prefix of ['step', 'produced']) {
      for await (const { key } of rowsUnder(context.store, prefix)) {
        const [, id = ''] = key.split('/');
        left.set(id, [...(left.get(id) ?? []), key]);
      }
    }
    if (left.size === 0) return;
    for await (const { key, value } of rowsUnder(context.store, 'inbox')) {
      left.delete(entryOf(key, decodeInboxRow(value)).request?.id ?? '');
    }
    for (const key of [...left.values()].flat()) sweeper.delete(key);
  }

  /** A request is gone without a run: so is what earlier ones left. */
  async forget({ id, ask }: NonNullable<InboxEntry['request']>): Promise<void> {
    for (const key of await this.#leftBy(id, ask)) this.#parts.sweeper.delete(key);
  }

  /** Keys of what the runs of a request have written. */
  async #leftBy(id: string, { isStream }: Ask): Promise<readonly string[]> {
    const keys = isStream ? [ROW.produced(id)] : [];
    for await (const { key } of rowsUnder(this.#parts.context.store, `step/${id}`)) keys.push(key);
    return keys;
  }

  /** With the end of a run: the request is gone, and all that belongs to it. */
  async #endsOf({ item, id, ask, steps }: RequestRun): Promise<StoreOperation[]> {
    await steps.end();
    const keys = [item.entry.key, ...(await this.#leftBy(id, ask))];
    return keys.map((key) => ({ delete: key }));
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
  async #answerOf(run: RequestRun, handler: ServedHandler, inside: Inside): Promise<Answer> {
    const cancel = run.startDeadline();
    const { message, controller, item } = run;
    try {
      const { limitMs, isExact } = handler;
      const about = { message, attempt: item.attempts, controller };
      const context = run.context(() => 0);
      const work = async (): Promise<unknown> => handler.run(message, context);
      const value = await runWithin(this.#parts.context, { limitMs, isLoop: false }, about, () =>
        run.orAborted(run.surrounded(inside, () => run.follow(work()))),
      );
      const answer = { members: endMember({ ok: true }), value, isExact };
      bodyOf(answer, run.id);
      return answer;
    } catch (error) {
      if (error instanceof StorageError) throw error;
      return failed(run.failureOf(error));
    } finally {
      cancel();
    }
  }

  /** One commit: the answer, the end of the request, what is kept by its key. */
  async #answer(run: RequestRun, answer: Answer, key: string | null): Promise<boolean> {
    if (run.isClosed) return false;
    const { id, byMs } = run;
    const { context, sender } = this.#parts;
    const inboxKey = run.item.entry.key;
    const body = bodyOf(answer, id);
    const nowMs = context.runtime.now();
    const untilMs = nowMs + AGENT_LIMITS.keyKeptMs;
    const ends = await this.#endsOf(run);
    if (key !== null) {
      ends.push({ put: key, value: encodeKeyRow({ untilMs, body: bodyOf(answer, null) }) });
    }
    const ttlMs = Math.max(0, byMs - nowMs) + ANSWER_GRACE_MS;
    try {
      await sender.turn(run.from, async (speech) => {
        // Cancelled meanwhile: it was told so, and nothing else.
        if (!(await speech.holds(inboxKey))) return speech.write(ends);
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
