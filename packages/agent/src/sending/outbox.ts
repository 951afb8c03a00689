/**
 * The row of a message that waits to be accepted by the hub: finished bytes and where they go.
 * Owns the layout; sending them, and only them, is `transmitter`'s (protocol.md §2.11 P1).
 */
import { RowReader, RowWriter } from '../store/row-codec.js';

/** One finished message on its way. */
export interface OutboxRow {
  /** aid of the recipient. */
  readonly to: Uint8Array;
  /** 16 random bytes: by them the hub knows a repetition. */
  readonly envelopeId: Uint8Array;
  /** Its number and our epoch, to find the content that was kept. */
  readonly epoch: number;
  readonly number: number;
  /** When nobody needs it any more, by our clock; 0 for one of a version that wrote no time. */
  readonly expiresMs: number;
  /** When it was put here, by our clock; 0 for one of a version that did not say it. */
  readonly sinceMs: number;
  readonly blob: Uint8Array;
}

const VERSION = 3;
const WITHOUT_TIME = 1;

export function encodeOutboxRow(outbox: OutboxRow): Uint8Array {
  const { to, envelopeId, epoch, number, expiresMs, sinceMs, blob } = outbox;
  const row = new RowWriter().u8(VERSION).fixed(to).fixed(envelopeId);
  return row.u32(epoch).u64(number).u64(expiresMs).u64(sinceMs).bytes(blob).finish();
}

/** Reads a row back; throws STORE_CORRUPT. */
export function decodeOutboxRow(bytes: Uint8Array): OutboxRow {
  const row = new RowReader(bytes, 'outbox');
  const version = row.u8();
  if (version < WITHOUT_TIME || version > VERSION) row.fail();
  const to = row.fixed(32);
  const envelopeId = row.fixed(16);
  const epoch = row.u32();
  const number = row.u64();
  const expiresMs = version === WITHOUT_TIME ? 0 : row.u64();
  const sinceMs = version < VERSION ? 0 : row.u64();
  const blob = row.bytes();
  row.end();
  return { to, envelopeId, epoch, number, expiresMs, sinceMs, blob };
}
