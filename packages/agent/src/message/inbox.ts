/**
 * The row of a message that waits for the handlers: its content as signed, and what was known of
 * its sender when it came. Owns the layout; running handlers is `dispatcher`'s (protocol.md §2.11
 * P3).
 */
import type { SignedContent } from '@agentmesh/crypto';
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
  /** What shows others that it is the sender's; null of a message to oneself, and of old rows. */
  readonly proof: RowProof | null;
}

/** The sender's public keys, and the signature with what it covers besides the content. */
export type RowProof = Omit<SignedContent, 'content'>;

/**
 * Version 1 knew of no dates and of no way in which a sender was verified, version 2 of no proof.
 */
const VERSION = 3;
const SIGNATURE_BYTES = 64;

export function encodeInboxRow(inbox: InboxRow): Uint8Array {
  const row = new RowWriter().u8(VERSION).fixed(inbox.from);
  writeTrust(row, inbox.trust);
  writeWay(row.u64(inbox.pinnedMs), inbox.verifiedBy);
  row.u64(inbox.receivedMs).u32(inbox.attempts).bytes(inbox.content);
  const { proof } = inbox;
  row.flag(proof !== null);
  if (proof === null) return row.finish();
  const { signing, dh, signature, associatedData } = proof;
  return row.fixed(signing).fixed(dh).fixed(signature).bytes(associatedData).finish();
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
  const proof = version >= 3 && row.flag() ? readProof(row) : null;
  row.end();
  return { from, trust, pinnedMs, verifiedBy, receivedMs, attempts, content, proof };
}

function readProof(row: RowReader): RowProof {
  return {
    signing: row.fixed(32),
    dh: row.fixed(32),
    signature: row.fixed(SIGNATURE_BYTES),
    associatedData: row.bytes(),
  };
}
