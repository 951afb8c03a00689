/**
 * What a handler's message carries into what the handler sends: its deadline, how many messages led
 * here, who began, and the trace. Owns the scope, where the platform has one.
 */
import { asyncScope } from '#async-scope';
import type { TraceContext } from '../ground/tracing.js';
import type { BodyScope } from '../message/message-stream.js';

/** Of the message that the present code handles. */
export interface CallContext {
  /** When its caller no longer waits, by our clock; Infinity for a plain message. */
  readonly byMs: number;
  readonly hops: number;
  /** Address of the agent that began. */
  readonly origin: string;
  readonly trace: TraceContext | null;
  /** Address of its sender. */
  readonly sender: string;
}

/** A loop over messages has one after the other. */
interface Present {
  readonly current: CallContext | null;
}

const scope = asyncScope<Present>();

/** Runs a task as the handling of a message. */
export function handling<Result>(current: CallContext, task: () => Result): Result {
  return scope.run({ current }, task);
}

/** The message that the caller handles; null outside of handlers and of loops over messages. */
export function currentCall(): CallContext | null {
  return scope.getStore()?.current ?? null;
}

/** The body of one loop over messages: what it does belongs to the message that it has. */
export function loopScope(): BodyScope {
  const present: { current: CallContext | null } = { current: null };
  return {
    enter() {
      if (scope.getStore() !== present) scope.enterWith(present);
    },
    offered() {
      const offered = currentCall();
      return () => void (present.current = offered);
    },
    left: () => void (present.current = null),
  };
}
