/**
 * The handlers of an application: what each may do at once, for how long, and what happens to one
 * that takes long. Owns their list and their runs; which message comes next is `dispatcher`'s.
 */
import type { AgentContext } from '../agent-context.js';
import { reasonOf } from '../conversation/outcome.js';
import { durationMs } from '../ground/duration.js';
import type { Duration } from '../ground/duration.js';
import { AgentError } from '../ground/errors.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import type { AgentEvents } from '../message/events.js';
import type { Message } from '../message/message.js';
import type { Ending } from '../owed/owed.js';

/**
 * What an application does with a message; it is handled when this returns or resolves. Throwing
 * `new AgentError('REFUSED', reason)` refuses it for good and tells its sender the reason.
 */
export type Handler = (message: Message) => void | Promise<void>;

/** How a handler is run. */
export interface HandlerOptions {
  /**
   * Messages that it may have at once, each of another sender; default 16. So many requests, of any
   * caller; a stream that waits for its reader does not count.
   */
  readonly concurrency?: number | undefined;
  /** `sender` (default): the messages of one sender one after the other. `none`: as they come. */
  readonly order?: 'sender' | 'none' | undefined;
  /**
   * Longest run; then `message.signal` is aborted and the run has failed, whatever it still does.
   * Default: none, but `handlerSlow` is told after 60 seconds.
   */
  readonly timeLimit?: Duration | undefined;
}

/**
 * What a mailbox says of messages that nobody has decided about: they wait as if they had never
 * been given out.
 */
export class GivenBack extends Error {
  override readonly name = 'GivenBack';
}

/** A handler with its options. */
export interface Registered {
  readonly run: Handler;
  readonly concurrency: number;
  readonly isOrdered: boolean;
  readonly limitMs: number | null;
  /** It hands messages to a loop of the program, which decides when to go on. */
  readonly isLoop: boolean;
  /** It keeps messages until somebody takes them: that is no attempt to handle them. */
  readonly isMailbox: boolean;
  running: number;
  /** Runs that wait for one of the others to end. */
  readonly queue: (() => void)[];
}

/** A function of the program, its loop over messages, or what keeps them until they are taken. */
export type HandlerKind = 'function' | 'loop' | 'mailbox';

/** Where a handler does not say. */
export const CONCURRENCY = 16;
/** Highest concurrency of a handler. */
export const HIGHEST_CONCURRENCY = 10_000;

/** Checks options; throws BAD_OPTION. */
export function registered(
  run: Handler,
  options: HandlerOptions,
  kind: HandlerKind = 'function',
): Registered {
  const { concurrency = CONCURRENCY, order = 'sender', timeLimit } = options;
  const isCount = Number.isInteger(concurrency) && concurrency >= 1;
  if (!isCount || concurrency > HIGHEST_CONCURRENCY) {
    throw new AgentError('BAD_OPTION', `concurrency: 1 to ${HIGHEST_CONCURRENCY}`);
  }
  if (order !== 'sender' && order !== 'none') {
    throw new AgentError('BAD_OPTION', "order: 'sender' or 'none'");
  }
  const limitMs = timeLimit === undefined ? null : durationMs(timeLimit, 'timeLimit');
  const isOrdered = order === 'sender';
  const isMailbox = kind === 'mailbox';
  const isLoop = kind === 'loop' || isMailbox;
  return { run, concurrency, isOrdered, limitMs, isLoop, isMailbox, running: 0, queue: [] };
}

/** Resolves when the handler may run once more; to be followed by {@link leave}. */
export async function enterHandler(handler: Registered): Promise<void> {
  if (handler.running >= handler.concurrency) {
    await new Promise<void>((resolve) => void handler.queue.push(resolve));
  } else {
    handler.running += 1;
  }
}

/** A run has ended: the next one that waits goes on in its stead. */
export function leaveHandler(handler: Registered): void {
  const next = handler.queue.shift();
  if (next === undefined) handler.running -= 1;
  else next();
}

/** A run that can be stopped: what it is told when it may go on no longer. */
export interface Run {
  readonly message: Message;
  readonly attempt: number;
  readonly controller: AbortController;
}

/** Runs a task of a handler within its limit; rejects with what it throws, or HANDLER_TIMEOUT. */
export async function runWithin<T>(
  context: AgentContext,
  { limitMs, isLoop }: Pick<Registered, 'limitMs' | 'isLoop'>,
  { message, attempt, controller }: Run,
  task: () => T | Promise<T>,
): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const cancels: (() => void)[] = [];
  if (limitMs !== null) {
    const stop = (): void => {
      const error = new AgentError('HANDLER_TIMEOUT', `${limitMs} ms`);
      controller.abort(error);
      reject(error);
    };
    cancels.push(context.runtime.schedule(limitMs, stop));
  }
  const warn = (): void => tellOfSlowness(context, { message, attempt });
  // A loop has a message as long as its program likes.
  if (!isLoop) cancels.push(context.runtime.schedule(AGENT_LIMITS.handlerSlowMs, warn));
  try {
    return await Promise.race([task(), late]);
  } finally {
    for (const cancel of cancels) cancel();
  }
}

/** Whoever has a message for so long may hang. */
export function tellOfSlowness(
  { events, log }: AgentContext,
  { message, attempt }: Pick<Run, 'message' | 'attempt'>,
): void {
  const elapsedMs = AGENT_LIMITS.handlerSlowMs;
  log.warn('handler takes long', { id: message.id, sender: message.sender, elapsedMs });
  events.emit('handlerSlow', { message, attempt, elapsedMs });
}

/** An error that nobody listens to is written down, so that it is seen somewhere. */
export function tellOfFailure(
  { events, log }: AgentContext,
  failure: AgentEvents['handlerError'],
): void {
  if (events.isHeard('handlerError')) return events.emit('handlerError', failure);
  const { error, message, attempt, deadLettered } = failure;
  const { id, sender } = message;
  log.error('handler failed', { id, sender, attempt, deadLettered, error: stackOf(error) });
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Whether nobody handles messages at once: they wait to be taken. */
export function isOnlyMailbox(handlers: ReadonlySet<Registered>): boolean {
  return handlers.size > 0 && [...handlers].every(({ isMailbox }) => isMailbox);
}

/** How a message ends with which every handler was content. */
export const HANDLED: Ending = { state: 'handled', reason: '' };

/** How a message ends that a handler refused. */
export function refusedBy({ code, detail = '' }: AgentError): Ending {
  const reason = code === 'LOOP' ? `LOOP: ${detail}` : detail;
  return { state: 'refused', reason: reasonOf(reason) };
}

/**
 * A handler that throws REFUSED has decided: no other handler and no other attempt follows. Nor
 * does one where the handler's answer would have gone round in circles.
 */
export function isRefusal(error: unknown): error is AgentError {
  return error instanceof AgentError && (error.code === 'REFUSED' || error.code === 'LOOP');
}
