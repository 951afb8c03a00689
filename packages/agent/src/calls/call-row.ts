/**
 * The rows of calls: a request of ours with its end, and an answer that is kept by the key of its
 * request. Owns their layouts.
 */
import { RowReader, RowWriter } from '../store/row-codec.js';

/** A request of ours. */
export interface CallRow {
  /** aid and pinned name of the callee. */
  readonly to: Uint8Array;
  readonly peer: string;
  /** When nobody waits any more, by our clock. */
  readonly byMs: number;
  readonly sentMs: number;
  /** The id of its envelope, to withdraw it. */
  readonly envelopeId: Uint8Array;
  readonly isStream: boolean;
  readonly end: CallEnd | null;
}

/** How it ended: a body as the callee sent it, or an error with the callee's or our own code. */
export interface CallEnd {
  readonly atMs: number;
  /** JSON of the payload; null where it failed. */
  readonly body: Uint8Array | null;
  readonly code: string;
  readonly message: string;
}

const VERSION = 1;

export function encodeCallRow(call: CallRow): Uint8Array {
  const { to, peer, byMs, sentMs, envelopeId, isStream, end } = call;
  const row = new RowWriter().u8(VERSION).fixed(to).text(peer).u64(byMs).u64(sentMs);
  row
    .fixed(envelopeId)
    .flag(isStream)
    .flag(end !== null);
  if (end === null) return row.finish();
  row.u64(end.atMs).flag(end.body !== null);
  if (end.body !== null) row.bytes(end.body);
  return row.text(end.code).text(end.message).finish();
}

/** Reads a row back; throws STORE_CORRUPT. */
export function decodeCallRow(bytes: Uint8Array): CallRow {
  const row = new RowReader(bytes, 'call');
  if (row.u8() !== VERSION) row.fail();
  const call = {
    to: row.fixed(32),
    peer: row.text(),
    byMs: row.u64(),
    sentMs: row.u64(),
    envelopeId: row.fixed(16),
    isStream: row.flag(),
  };
  const end = row.flag() ? readEndOf(row) : null;
  row.end();
  return { ...call, end };
}

function readEndOf(row: RowReader): CallEnd {
  return {
    atMs: row.u64(),
    body: row.flag() ? row.bytes() : null,
    code: row.text(),
    message: row.text(),
  };
}

/** An answer that requests with the same key get. */
export interface KeyRow {
  readonly untilMs: number;
  /** The value that was answered, as JSON; its end is in it. */
  readonly body: Uint8Array;
}

export function encodeKeyRow({ untilMs, body }: KeyRow): Uint8Array {
  return new RowWriter().u8(VERSION).u64(untilMs).bytes(body).finish();
}

/** Reads a row back; throws STORE_CORRUPT. */
export function decodeKeyRow(bytes: Uint8Array): KeyRow {
  const row = new RowReader(bytes, 'key');
  if (row.u8() !== VERSION) row.fail();
  const kept = { untilMs: row.u64(), body: row.bytes() };
  row.end();
  return kept;
}
