/**
 * What the methods of the control socket work with: the agent, its mailbox once somebody wants it,
 * and the connection that asks. Owns the mailbox' opening and the waiting that ends with a
 * connection.
 */
import type { Agent, AgentStream, Mailbox } from '@agentmesh/agent';
import type { ControlMethod, ControlNews, ParamsOf, ResultOf } from './api.js';
import { controlError } from './error.js';
import type { LeaseBook } from './lease-book.js';

/** Who asks. */
export interface Visitor {
  /** Aborted when the connection ends. */
  readonly gone: AbortSignal;
  /** Aborted then, and when the holder is about to end: what only waits, ends. */
  readonly signal: AbortSignal;
  readonly tell: <N extends keyof ControlNews>(news: N, params: ControlNews[N]) => void;
}

/** How one method is done. */
export type MethodWork<M extends ControlMethod> = (
  params: ParamsOf<M>,
  visitor: Visitor,
) => ResultOf<M> | Promise<ResultOf<M>>;

/** Several methods. */
export type MethodWorks<M extends ControlMethod> = { readonly [N in M]: MethodWork<N> };

/** A stream that is read, and its next part once somebody has asked for it. */
export interface OpenStream {
  readonly stream: AgentStream;
  readonly peer: string;
  next: Promise<IteratorResult<unknown, undefined>> | null;
}

/** An agent that is held. */
export class Hold {
  readonly agent: Agent;
  readonly hubs: readonly string[];
  readonly sinceMs: number;
  readonly version: string;
  /** Leases that go on, those of an earlier holder too. */
  readonly leases: LeaseBook;
  /** Leaves the agent to another program; null where this one keeps it. */
  readonly handOver: (() => void) | null;
  /** Streams that somebody reads here, by their ids. */
  readonly streams = new Map<string, OpenStream>();
  #mailbox: Mailbox | null = null;
  #listener: Visitor | null = null;

  constructor(about: {
    readonly agent: Agent;
    readonly hubs: readonly string[];
    readonly sinceMs: number;
    readonly version: string;
    readonly leases: LeaseBook;
    readonly handOver: (() => void) | null;
  }) {
    this.handOver = about.handOver;
    this.agent = about.agent;
    this.leases = about.leases;
    this.hubs = about.hubs;
    this.sinceMs = about.sinceMs;
    this.version = about.version;
  }

  /** Only one connection wakes a program, until it ends. LISTENER_BUSY. */
  listen(visitor: Visitor): void {
    const other = this.#listener;
    if (other !== null && other !== visitor && !other.gone.aborted) {
      throw controlError('LISTENER_BUSY');
    }
    this.#listener = visitor;
  }

  /** Messages wait here from the first time that somebody asks for them. INBOX_TAKEN. */
  mailbox(): Mailbox {
    try {
      this.#mailbox ??= leased(this.agent.openMailbox(), this.leases);
      return this.#mailbox;
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'BAD_OPTION') throw error;
      throw controlError('INBOX_TAKEN', undefined, error);
    }
  }
}

/** A message that somebody had when an earlier holder ended is still theirs when it comes. */
function leased(mailbox: Mailbox, leases: LeaseBook): Mailbox {
  if (leases.isEmpty) return mailbox;
  const apply = (): void => {
    for (const { message, isFree } of mailbox.list()) {
      const leftMs = isFree ? leases.leftMs(message) : 0;
      if (leftMs > 0) mailbox.extend(message.id, leftMs, message.address);
    }
    if (leases.isEmpty) forget();
  };
  const forget = mailbox.onFree(apply);
  apply();
  return mailbox;
}

/**
 * Waits for a promise, but no longer than `ms` and the signal allow; null then. The timer keeps no
 * process running.
 */
export async function within<T>(
  promise: Promise<T>,
  ms: number | undefined,
  signal: AbortSignal,
): Promise<{ readonly value: T } | null> {
  const { promise: over, resolve } = Promise.withResolvers<null>();
  const end = (): void => resolve(null);
  // Beyond what a timer can count, nobody waits.
  const timer = ms === undefined ? null : setTimeout(end, Math.min(ms, 2 ** 31 - 1));
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  try {
    return await Promise.race([promise.then((value) => ({ value })), over]);
  } finally {
    if (timer !== null) clearTimeout(timer);
    signal.removeEventListener('abort', end);
  }
}
