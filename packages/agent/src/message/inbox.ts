/**
 * The row of a message that waits for the handlers: its content as signed, and what was known of
 * its sender when it came. Owns the layout; running handlers is `dispatcher`'s (protocol.md §2.11
 * P3).
 */
import { readTrust, writeTrust } from '../conversation/peer.js';
import type { Trust } from '../conversation/peer.js';
import { RowReader, RowWriter } from '../store/row-codec.js';

/** One received message. */
export interface InboxRow {
  /** aid of the sender. */
  readonly from: Uint8Array;
  readonly trust: Trust;
  /** Runs of the handlers so far, this process's current one not counted. */
  readonly attempts: number;
  /** Content exactly as the sender signed it. */
  readonly content: Uint8Array;
}

const VERSION = 1;

export function encodeInboxRow({ from, trust, attempts, content }: InboxRow): Uint8Array {
  const row = new RowWriter().u8(VERSION).fixed(from);
  writeTrust(row, trust);
  return row.u32(attempts).bytes(content).finish();
}

/** Reads a row back; throws STORE_CORRUPT. */
export function decodeInboxRow(bytes: Uint8Array): InboxRow {
  const row = new RowReader(bytes, 'inbox');
  if (row.u8() !== VERSION) row.fail();
  const from = row.fixed(32);
  const trust = readTrust(row);
  const attempts = row.u32();
  const content = row.bytes();
  row.end();
  return { from, trust, attempts, content };
}
