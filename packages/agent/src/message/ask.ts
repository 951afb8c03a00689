/**
 * The reserved members of a payload that make a message a request or an answer: `$ask` and `$end`
 * (protocol.md §2.19). Owns their shape and strict reading; a member of another shape is no request
 * and no answer.
 */
import { visible } from '@agentmesh/protocol';
import type { JsonObject, JsonValue } from '@agentmesh/protocol';
import { reasonOf } from '../conversation/outcome.js';
import { traceContextOf } from '../ground/tracing.js';
import type { TraceContext } from '../ground/tracing.js';

/** What a request says besides its payload. */
export interface Ask {
  /** When its sender no longer waits, in milliseconds since 1970 by the clock of the hub. */
  readonly byMs: number;
  /** `research@1/summarize`; null without a contract. */
  readonly op: string | null;
  readonly isStream: boolean;
  /** First window of a stream in bytes. */
  readonly credit: number;
  /** Requests with the same key of one sender are one request. */
  readonly key: string | null;
  /** Requests that led to this one. */
  readonly hops: number;
  /** Whose request was the first of them: an address. */
  readonly origin: string | null;
  /** Whether no person asks. */
  readonly isAutomatic: boolean;
  readonly trace: TraceContext | null;
}

/** How a request ended. */
export type End = { readonly ok: true } | { readonly error: EndError };

/** What a caller learns of a failure. */
export interface EndError {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly data: JsonValue;
}

const ASK = '$ask';
const END = '$end';
/** Stands for a payload that is no object. */
export const VALUE = '$value';

/** Characters of a key of a request. */
export const KEY_LENGTH = 128;
const CODE = /^[A-Z][A-Z0-9_]{0,63}$/;
const OP = /^[a-z][a-z0-9.-]{0,63}@[1-9][0-9]{0,5}\/[a-zA-Z][a-zA-Z0-9_]{0,63}$/;

/** Whether this names an operation of a contract. */
export function isOperation(op: unknown): op is string {
  return typeof op === 'string' && OP.test(op);
}
const TEXT_LENGTH = 512;
const HIGHEST_HOPS = 1_000;

/** The `$ask` of a payload; null if it has none, or one that is none. */
export function readAsk(payload: JsonObject): Ask | null {
  const ask = payload[ASK];
  if (!isObject(ask)) return null;
  const { by, op = null, stream = false, credit = 0, key = null, hops = 0 } = ask;
  const { origin = null, auto = false, trace = null, traceState = null } = ask;
  const isGood =
    isCount(by, Number.MAX_SAFE_INTEGER) &&
    (op === null || isOperation(op)) &&
    typeof stream === 'boolean' &&
    isCount(credit, 0xffff_ffff) &&
    isText(key, KEY_LENGTH) &&
    isCount(hops, HIGHEST_HOPS) &&
    isText(origin, TEXT_LENGTH) &&
    typeof auto === 'boolean' &&
    isText(trace, TEXT_LENGTH) &&
    isText(traceState, TEXT_LENGTH);
  if (!isGood) return null;
  const way = { hops, origin, isAutomatic: auto, trace: traceContextOf(trace, traceState) };
  return { byMs: by, op, isStream: stream, credit, key, ...way };
}

/** The member that {@link readAsk} reads. */
export function askMember(ask: Ask): JsonObject {
  const { byMs: by, op, isStream, credit, key, hops, origin, isAutomatic, trace } = ask;
  return {
    [ASK]: {
      by,
      hops,
      ...(op === null ? {} : { op }),
      ...(isStream ? { stream: true, credit } : {}),
      ...(key === null ? {} : { key }),
      ...(origin === null ? {} : { origin }),
      ...(isAutomatic ? { auto: true } : {}),
      ...traceMembers(trace),
    },
  };
}

/** A trace as `$ask` and `$way` carry it. */
export function traceMembers(trace: TraceContext | null): JsonObject {
  if (trace === null) return {};
  const { parent, state } = trace;
  return { trace: parent, ...(state === null ? {} : { traceState: state }) };
}

/** The `$end` of a payload; null if it has none, or one that is none. */
export function readEnd(payload: JsonObject): End | null {
  const end = payload[END];
  if (!isObject(end)) return null;
  if (end['ok'] === true) return { ok: true };
  const error = end['error'];
  if (!isObject(error)) return null;
  const { code, message = '', retryable = false, data = null } = error;
  if (typeof code !== 'string' || typeof message !== 'string') return null;
  if (typeof retryable !== 'boolean') return null;
  // Its words go into errors and logs: nothing in them may be obeyed there.
  return { error: endError(code, visible(message), { retryable, data }) };
}

/** The member that {@link readEnd} reads. */
export function endMember(end: End): JsonObject {
  if ('ok' in end) return { [END]: { ok: true } };
  const { code, message, retryable, data } = end.error;
  return { [END]: { error: { code, message, retryable, ...(data === null ? {} : { data }) } } };
}

/** An error with a code that is one and a message within its bound. */
export function endError(
  code: string,
  message: string,
  { retryable = false, data = null }: { retryable?: boolean; data?: JsonValue } = {},
): EndError {
  return { code: CODE.test(code) ? code : 'FAILED', message: reasonOf(message), retryable, data };
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: JsonValue | undefined, highest: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= highest;
}

function isText(value: JsonValue, longest: number): value is string | null {
  return value === null || (typeof value === 'string' && value.length <= longest);
}
