/**
 * The row of a message that waits for the handlers: its content as signed, and what was known of
 * its sender when it came. Owns the layout; running handlers is `dispatcher`'s (protocol.md §2.11
 * P3).
 */
import { readTrust, readWay, writeTrust, writeWay } from '../conversation/peer.js';
import type { Standing } from '../conversation/peer.js';
import { RowReader, RowWriter } from '../store/row-codec.js';

/** One received message. */
export interface InboxRow extends Standing {
  /** aid of the sender. */
  readonly from: Uint8Array;
  /** By our clock; 0 in rows of version 1. */
  readonly receivedMs: number;
  /** Runs of the handlers so far, this process's current one not counted. */
  readonly attempts: number;
  /** Content exactly as the sender signed it. */
  readonly content: Uint8Array;
}

/** Version 1 knew of no dates and of no way in which a sender was verified. */
const VERSION = 2;

export function encodeInboxRow(inbox: InboxRow): Uint8Array {
  const row = new RowWriter().u8(VERSION).fixed(inbox.from);
  writeTrust(row, inbox.trust);
  writeWay(row.u64(inbox.pinnedMs), inbox.verifiedBy);
  return row.u64(inbox.receivedMs).u32(inbox.attempts).bytes(inbox.content).finish();
}

/** Reads a row back; throws STORE_CORRUPT. */
export function decodeInboxRow(bytes: Uint8Array): InboxRow {
  const row = new RowReader(bytes, 'inbox');
  const version = row.u8();
  if (version < 1 || version > VERSION) row.fail();
  const from = row.fixed(32);
  const trust = readTrust(row);
  const pinnedMs = version < 2 ? 0 : row.u64();
  const verifiedBy = version < 2 ? null : readWay(row);
  const receivedMs = version < 2 ? 0 : row.u64();
  const attempts = row.u32();
  const content = row.bytes();
  row.end();
  return { from, trust, pinnedMs, verifiedBy, receivedMs, attempts, content };
}
