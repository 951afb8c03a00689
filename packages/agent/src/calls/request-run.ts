/**
 * One run of the handler of a request: its deadline, its context, and what becomes of what it
 * throws. Owns these; committing the answer is `request-server`'s or `stream-server`'s.
 */
import { addressOf, AgentMeshError, fingerprintOf } from '@agentmesh/crypto';
import { encodePayload } from '@agentmesh/protocol';
import type { AgentContext } from '../agent-context.js';
import { AgentError } from '../ground/errors.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { endError, endMember } from '../message/ask.js';
import type { Ask, EndError } from '../message/ask.js';
import type { Message } from '../message/message.js';
import { abortAt } from '../handling/deadline.js';
import { tellOfFailure } from '../handling/handlers.js';
import type { Registered } from '../handling/handlers.js';
import type { Places } from '../handling/places.js';
import { countAnew, endRun } from '../handling/run-count.js';
import type { Surroundings } from '../handling/surroundings.js';
import type { Waiting } from '../handling/waiting-messages.js';
import type { Sender } from '../sending/sender.js';
import { ProgressTeller } from './progress-teller.js';
import { RequestContext, RequestFailure } from './request-context.js';
import { Steps } from './steps.js';

/** A handler of requests or streams with its options. */
export interface ServedHandler extends Pick<Registered, 'isOrdered' | 'limitMs'> {
  /** Shared by all handlers of a contract. */
  readonly places: Places;
  readonly run: (request: Message, context: RequestContext) => unknown;
  /** The answer arrives as exactly what it is, also where it is no object. */
  readonly isExact: boolean;
  /** It gives chunks and a result. */
  readonly isStream: boolean;
}

/** Runs a task as part of a handler's work. */
export type Inside = <T>(task: () => T) => T;

/** What a run works with. */
export interface RunParts {
  readonly context: AgentContext;
  readonly around: Surroundings;
  readonly sender: Sender;
}

/** One run. */
export class RequestRun {
  readonly item: Waiting;
  readonly ask: Ask;
  readonly id: string;
  readonly message: Message;
  readonly controller: AbortController;
  /** The deadline by our clock. */
  readonly byMs: number;
  readonly steps: Steps;
  readonly #parts: RunParts;
  readonly #working: Set<Waiting>;
  /** Rejects with the signal's reason, if ever. */
  readonly #aborted: Promise<never>;

  constructor(
    parts: RunParts,
    item: Waiting,
    about: {
      readonly request: { readonly id: string; readonly ask: Ask };
      readonly message: Message;
      readonly working: Set<Waiting>;
    },
    controller: AbortController,
  ) {
    this.#parts = parts;
    this.#working = about.working;
    this.item = item;
    this.ask = about.request.ask;
    this.id = about.request.id;
    this.message = about.message;
    this.controller = controller;
    const { hubClock, runtime } = parts.context;
    this.byMs = Math.min(hubClock.toOurs(this.ask.byMs), runtime.now() + AGENT_LIMITS.callMs);
    const { signal } = controller;
    this.steps = new Steps(parts.context.store, this.id, signal, () => this.gotOn());
    this.#aborted = new Promise((_, reject) => {
      const end = (): void => reject(signal.reason as Error);
      if (signal.aborted) end();
      else signal.addEventListener('abort', end, { once: true });
    });
    this.#aborted.catch(() => undefined);
  }

  /** aid of the caller. */
  get from(): Uint8Array {
    return this.item.entry.row.from;
  }

  /** Whether the agent ends: the request stays for the next one. */
  get isClosed(): boolean {
    const { signal } = this.controller;
    const reason: unknown = signal.reason;
    return signal.aborted && reason instanceof AgentError && reason.code === 'CLOSED';
  }

  /** Why it does not run at all; null if it does. */
  refusal(): EndError | null {
    const { hops } = this.ask;
    if (hops > AGENT_LIMITS.hops) return endError('LOOP', `${hops} requests led here`);
    if (this.byMs <= this.#parts.context.runtime.now()) return endError('DEADLINE', 'it never ran');
    return null;
  }

  /** Something of this run is kept, a step or chunks: no more runs are counted than this one. */
  gotOn(): void {
    countAnew(this.#parts.context, this.item);
  }

  /** The signal is aborted when the time is over; the returned function cancels that. */
  startDeadline(): () => void {
    return abortAt(this.#parts.context.runtime, this.byMs, this.controller);
  }

  /** A promise that ends when the run is not wanted any more. */
  orAborted<T>(promise: Promise<T> | T): Promise<T> {
    return Promise.race([promise, this.#aborted]);
  }

  /** Waits for the reader of its stream; others have its place meanwhile. */
  async aside(waiting: Promise<void>): Promise<void> {
    await this.item.places?.aside(waiting, {
      end: () => endRun(this.#parts.context, this.item, new AgentError('CLOSED')),
      orAborted: (promise) => this.orAborted(promise),
    });
  }

  /** Counts what the handler does as work until it ends, also where nobody waits for it longer. */
  follow<T>(work: Promise<T>): Promise<T> {
    this.#working.add(this.item);
    const end = (): void => void this.#working.delete(this.item);
    work.then(end, end);
    return work;
  }

  /** Runs a task of the handler with all that is around handlers. */
  surrounded(inside: Inside, task: () => Promise<unknown>): Promise<unknown> {
    const { item, message, ask, byMs } = this;
    const { entry, attempts: attempt } = item;
    const handled = { entry, message, attempt, request: { ask, byMs } };
    return inside(() => this.#parts.around.handle(handled, task));
  }

  /** What the handler gets; `from` is called when it asks where a stream goes on. */
  context(from: () => number): RequestContext {
    const { context, sender } = this.#parts;
    const { item, id, message, controller, byMs } = this;
    const { row, redelivered } = item.entry;
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
      attempt: item.attempts + (redelivered ? 1 : 0),
      from,
      once: (key, step) => this.steps.once(key, step),
      progress: (value) => progress.tell(value),
    });
  }

  /** What a caller learns of what a handler threw: code and message, never a stack. */
  failureOf(error: unknown): EndError {
    if (error instanceof RequestFailure) return toldOf(error);
    if (error instanceof AgentError && error.code === 'REFUSED') {
      return endError('REFUSED', error.detail ?? '');
    }
    const { message, item, controller } = this;
    // Not wanted any more: that is no failure of the handler.
    if (error !== controller.signal.reason) {
      const { attempts: attempt } = item;
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
}

/** Data that is no JSON, or too large, could not be sent at all. */
function toldOf({ told }: RequestFailure): EndError {
  try {
    encodePayload(endMember({ error: told }));
    return told;
  } catch (error) {
    if (!(error instanceof AgentMeshError)) throw error;
    return endError('INVALID_OUTPUT', `data of the error ${told.code}: ${error.message}`);
  }
}

function codeOf(error: unknown): { readonly code: string; readonly retryable: boolean } {
  if (typeof error !== 'object' || error === null) return { code: 'FAILED', retryable: false };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : 'FAILED';
  return { code, retryable: 'retryable' in error && error.retryable === true };
}
