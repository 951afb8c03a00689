/**
 * What a handler's request carries into what the handler asks others: its deadline, how many
 * requests led here, who began, and the trace. Owns the scope, where the platform has one.
 */
import { asyncScope } from '#async-scope';

/** Of the request that the present code answers. */
export interface CallContext {
  /** When its caller no longer waits, by our clock. */
  readonly byMs: number;
  readonly hops: number;
  readonly origin: string | null;
  readonly trace: string | null;
}

const scope = asyncScope<CallContext>();

/** Runs a task as the answer to a request. */
export function answering<Result>(context: CallContext, task: () => Result): Result {
  return scope.run(context, task);
}

/** The request that the caller answers; undefined outside of handlers of requests. */
export function currentCall(): CallContext | undefined {
  return scope.getStore();
}
