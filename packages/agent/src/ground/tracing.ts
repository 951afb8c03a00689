/**
 * Traces as an agent sees them: W3C trace context, which travels inside the encryption. Owns the
 * reading of `traceparent`; spans are the application's.
 */

/** Where a trace goes on: the headers of W3C Trace Context. */
export interface TraceContext {
  /** `traceparent`: version, trace, span and flags. */
  readonly parent: string;
  /** `tracestate`; null where there is none. */
  readonly state: string | null;
}

const PARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const STATE = /^[\x20-\x7e]*$/;
const STATE_LENGTH = 512;

/** The context in what a message carries; null if there is none, or one that is none. */
export function traceContextOf(parent: unknown, state: unknown): TraceContext | null {
  if (typeof parent !== 'string' || !PARENT.test(parent)) return null;
  const isState = typeof state === 'string' && state.length <= STATE_LENGTH && STATE.test(state);
  return { parent, state: isState && state !== '' ? state : null };
}
