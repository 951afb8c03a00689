/**
 * Middleware that comes with the agent: who may be heard, how often, and a line for each message.
 * Owns these three; they use nothing that an application could not use.
 */
import { AgentError } from '../ground/errors.js';
import { durationMs } from '../ground/duration.js';
import type { Duration } from '../ground/duration.js';
import { systemLogger } from '../ground/runtime.js';
import type { Logger } from '../ground/runtime.js';
import type { IncomingContext, IncomingMiddleware } from './incoming.js';
import type { OutgoingContext } from './outgoing.js';

/** Middleware that can stand on both ways. */
export type Middleware = (
  context: IncomingContext | OutgoingContext,
  next: () => Promise<unknown>,
) => Promise<unknown>;

const RANK = { 'first-contact': 0, pinned: 1, verified: 2 } as const;

/**
 * Refuses messages and requests of peers whose identity is not established as far: REFUSED. Throws
 * BAD_OPTION.
 */
export function requireTrust(least: 'pinned' | 'verified'): IncomingMiddleware {
  if (least !== 'pinned' && least !== 'verified') {
    throw new AgentError('BAD_OPTION', "requireTrust: 'pinned' or 'verified'");
  }
  return ({ peer }, next) => {
    if (RANK[peer.trust] >= RANK[least]) return next();
    throw new AgentError('REFUSED', `this is for ${least} peers`);
  };
}

/** What one peer may send, or be sent. */
export interface RateLimitOptions {
  /** So many at once; then so many in each `per`. */
  readonly messages: number;
  /** Default: `1m`. */
  readonly per?: Duration | undefined;
}

/** Peers whose rates are remembered: the one not heard of for longest is forgotten first. */
const REMEMBERED = 10_000;

/**
 * Bounds messages and requests of each peer, or to each. Around handlers a message is refused,
 * REFUSED, and a request gets RATE_LIMITED; around sending the caller gets RATE_LIMITED. Throws
 * BAD_OPTION.
 */
export function rateLimit({ messages, per = '1m' }: RateLimitOptions): Middleware {
  if (!Number.isInteger(messages) || messages < 1) {
    throw new AgentError('BAD_OPTION', 'rateLimit: messages: a whole number from 1 on');
  }
  const perMs = durationMs(per, 'per');
  const buckets = new Map<string, { left: number; atMs: number }>();
  return async (context, next) => {
    const key = context.direction === 'incoming' ? context.peer.address : context.peer;
    const atMs = context.startedMs;
    const before = buckets.get(key) ?? { left: messages, atMs };
    const gained = ((atMs - before.atMs) * messages) / perMs;
    const left = Math.min(messages, before.left + Math.max(0, gained));
    const isOver = left < 1;
    buckets.delete(key);
    buckets.set(key, { left: isOver ? left : left - 1, atMs });
    const [oldest] = buckets.keys();
    if (buckets.size > REMEMBERED && oldest !== undefined) buckets.delete(oldest);
    if (!isOver) return next();
    const retryAfterMs = Math.ceil(((1 - left) * perMs) / messages);
    throw tooMany(context, `at most ${messages} in ${perMs} ms`, retryAfterMs);
  };
}

function tooMany(
  context: IncomingContext | OutgoingContext,
  detail: string,
  retryAfterMs: number,
): Error {
  if (context.direction === 'outgoing') return new AgentError('RATE_LIMITED', detail);
  // A message that failed would come again at once.
  if (context.kind === 'message') return new AgentError('REFUSED', `rate limit: ${detail}`);
  const about = { message: detail, retryable: true };
  return context.error('RATE_LIMITED', { retryAfterMs }, about);
}

/**
 * Writes a line for each message, with who, what and how long, and never with its content. Default:
 * to the console.
 */
export function log(logger: Logger = systemLogger): Middleware {
  return async (context, next) => {
    try {
      const result = await next();
      logger.info(`${context.direction} ${context.kind}`, fieldsOf(context));
      return result;
    } catch (error) {
      const fields = { ...fieldsOf(context), error: codeOf(error) };
      logger.warn(`${context.direction} ${context.kind} failed`, fields);
      throw error;
    }
  };
}

function fieldsOf(context: IncomingContext | OutgoingContext) {
  const { direction, op, auto } = context;
  const ms = Math.round(context.elapsedMs);
  if (direction === 'outgoing') return { peer: context.peer, op, auto, ms };
  const { message, peer, hops, attempt } = context;
  const { id } = message;
  return { id, peer: peer.name, trust: peer.trust, op, auto, hops, attempt, ms };
}

/** Only codes and names: the text of an error may hold what an application wrote. */
function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return typeof error;
  if ('code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.name : 'object';
}
