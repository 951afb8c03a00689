/**
 * Between frames and text: one JSON object per frame, without a newline (hub.md §2).
 * Owns size, nesting, strictness and which error code a fault gets. Does not own the shapes
 * (`client-frames`, `hub-frames`) nor framing on a socket.
 *
 * Decoding never throws. A refused request keeps its number, so that it can be answered. Encoding
 * writes fields in the order of the schema, whatever order the caller's object has.
 */
import { clientFrame } from './client-frames.js';
import type { ClientFrame } from './client-frames.js';
import { isErrorCode, ProtocolError, tooLarge } from './errors.js';
import type { ProtocolErrorOptions } from './errors.js';
import { hubFrame } from './hub-frames.js';
import type { ByeFrame, ErrorFrame, HubFrame } from './hub-frames.js';
import { readJsonObject } from './json-text.js';
import { PROTOCOL_LIMITS } from './limits.js';
import { discriminatedUnion, safeEncode } from './schema.js';
import type { Fault, Result } from './schema.js';

/** A frame, or why there is none. `id` is the request's `id`, or the reply's `re`, if readable. */
export type Decoded<Frame> =
  | { readonly ok: true; readonly frame: Frame }
  | { readonly ok: false; readonly error: ProtocolError; readonly id?: number };

const anyFrame = discriminatedUnion('type', [clientFrame, hubFrame]);

/** Reads a frame from a client. `maxLength` is in characters; a hub lowers it before `auth`. */
export function parseClientFrame(
  text: string,
  maxLength: number = PROTOCOL_LIMITS.frameBytes,
): Decoded<ClientFrame> {
  return parse(text, maxLength, decodeClientFrame);
}

/** Reads a frame from a hub. */
export function parseHubFrame(
  text: string,
  maxLength: number = PROTOCOL_LIMITS.frameBytes,
): Decoded<HubFrame> {
  return parse(text, maxLength, decodeHubFrame);
}

/** Checks and converts a JSON value from a client. */
export function decodeClientFrame(value: unknown): Decoded<ClientFrame> {
  return decode(clientFrame.safeParse(value), value, 'id');
}

/** Checks and converts a JSON value from a hub. */
export function decodeHubFrame(value: unknown): Decoded<HubFrame> {
  return decode(hubFrame.safeParse(value), value, 're');
}

/** Text of a frame; throws BAD_FRAME, BAD_ENCODING or TOO_LARGE for what no one may send. */
export function encodeFrame(frame: ClientFrame | HubFrame): string {
  const result = safeEncode(anyFrame, frame);
  if (!result.success) throw errorOf(result.fault, frame);
  return JSON.stringify(result.data);
}

/** The `error` frame for a refusal; `re` is the request's `id`, if there was one. */
export function errorFrame(error: ProtocolError, re?: number): ErrorFrame {
  const message = error.message.replace(/[^\x20-\x7e]/g, '?');
  return {
    type: 'error',
    ...(re === undefined ? {} : { re }),
    code: error.code,
    message: message.slice(0, PROTOCOL_LIMITS.errorMessageLength),
    ...(error.retryAfterMs === undefined ? {} : { retryAfter: retryAfter(error.retryAfterMs) }),
  };
}

/** What an `error` or `bye` means to the client. A code of a newer hub becomes INTERNAL. */
export function errorOfFrame(frame: ErrorFrame | ByeFrame): ProtocolError {
  const said = frame.type === 'bye' ? {} : saidBy(frame);
  if (isErrorCode(frame.code)) return new ProtocolError(frame.code, said);
  return new ProtocolError('INTERNAL', { detail: frame.code });
}

function saidBy({ message, retryAfter: retryAfterMs }: ErrorFrame): ProtocolErrorOptions {
  return { message, retryAfterMs };
}

function retryAfter(milliseconds: number): number {
  return Math.min(Math.max(0, Math.ceil(milliseconds)), PROTOCOL_LIMITS.retryAfterMs);
}

function parse<Frame>(
  text: string,
  maxLength: number,
  decodeValue: (value: unknown) => Decoded<Frame>,
): Decoded<Frame> {
  if (text.length > maxLength) return badJson(`longer than ${maxLength} characters`);
  const reading = readJsonObject(text, { maxDepth: PROTOCOL_LIMITS.frameDepth });
  return reading.ok ? decodeValue(reading.value) : badJson(reading.fault.what);
}

function badJson(detail: string): { ok: false; error: ProtocolError } {
  return { ok: false, error: new ProtocolError('BAD_JSON', { detail }) };
}

function decode<Frame>(result: Result<Frame>, value: unknown, key: 'id' | 're'): Decoded<Frame> {
  if (result.success) return { ok: true, frame: result.data };
  const error = errorOf(result.fault, value);
  const id = requestNumber(value, key);
  return id === undefined ? { ok: false, error } : { ok: false, error, id };
}

function ownValue(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Record<string, unknown>)[key];
}

function requestNumber(value: unknown, key: 'id' | 're'): number | undefined {
  const id = ownValue(value, key);
  const valid = typeof id === 'number' && Number.isInteger(id) && id >= 0 && id <= 0xffff_ffff;
  return valid ? id : undefined;
}

/** Only names of the schema get into the text, nothing from outside. */
function errorOf({ kind, code, path }: Fault, value: unknown): ProtocolError {
  if (kind === 'unknown type') {
    const hasType = typeof ownValue(value, 'type') === 'string';
    return hasType
      ? new ProtocolError('UNKNOWN_TYPE')
      : new ProtocolError('BAD_FRAME', { detail: 'type' });
  }
  const field = ['frame', ...path].join('.');
  if (code === 'TOO_LARGE') return tooLarge(field, PROTOCOL_LIMITS.blobBytes);
  return new ProtocolError(code, {
    detail: kind === 'unknown field' ? `${field}: unknown field` : field,
  });
}
