/**
 * How long a caller waits for what it sends. Owns what ends the waiting: the caller's signal, or
 * its time-out. What was not committed by then never is.
 */
import { durationMs } from '../ground/duration.js';
import { AgentError } from '../ground/errors.js';
import type { Runtime } from '../ground/runtime.js';
import type { SendOptions } from '../message/message.js';

/** Ends the waiting of one caller. */
export interface Patience {
  /** Aborted with the error that the caller gets: CANCELLED or TIMEOUT. */
  readonly signal: AbortSignal;
  /** The promise, or the error of the signal if that comes first. */
  readonly until: <T>(promise: Promise<T>) => Promise<T>;
  /** Nobody waits any more. */
  readonly end: () => void;
}

/** The patience that the options describe. Throws BAD_OPTION, and CANCELLED if it has ended. */
export function patienceOf(
  { signal, timeout }: Pick<SendOptions, 'signal' | 'timeout'>,
  runtime: Runtime,
): Patience {
  const delayMs = timeout === undefined ? null : durationMs(timeout, 'timeout');
  const over = new AbortController();
  const give = (code: 'CANCELLED' | 'TIMEOUT'): void =>
    over.abort(new AgentError(code, undefined, signal?.reason));
  const onAbort = (): void => give('CANCELLED');
  if (signal?.aborted === true) {
    onAbort();
    throw over.signal.reason;
  }
  signal?.addEventListener('abort', onAbort, { once: true });
  const cancel = delayMs === null ? null : runtime.schedule(delayMs, () => give('TIMEOUT'));
  return {
    signal: over.signal,
    until: (promise) => untilAborted(promise, over.signal),
    end() {
      cancel?.();
      signal?.removeEventListener('abort', onAbort);
    },
  };
}

/** The promise, or the reason of the signal if that comes first. */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    promise.catch(() => undefined);
    throw signal.reason;
  }
  const { promise: over, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, over]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
