/**
 * Whether a peer may reach the handlers, which is not the same as whose key it has (docs: "Who is
 * this?"). Owns the row of a peer that may not, or not yet; a peer without one may.
 */
import { RowReader, RowWriter } from '../store/row-codec.js';

/** `pending`: its messages wait for a decision. `denied`: refused. `blocked`: not even answered. */
export type ContactState = 'pending' | 'denied' | 'blocked';

const STATES: readonly ContactState[] = ['pending', 'denied', 'blocked'];

/** A peer that does not reach the handlers. */
export interface ContactRow {
  readonly state: ContactState;
  /** Since when, by our clock. */
  readonly sinceMs: number;
  /** Messages that wait for the decision, and their bytes. */
  readonly messages: number;
  readonly bytes: number;
}

/** A row of a peer of which nothing is stored. */
export function contactRow(state: ContactState, sinceMs: number): ContactRow {
  return { state, sinceMs, messages: 0, bytes: 0 };
}

const VERSION = 1;

export function encodeContact({ state, sinceMs, messages, bytes }: ContactRow): Uint8Array {
  const row = new RowWriter().u8(VERSION).u8(STATES.indexOf(state));
  return row.u64(sinceMs).u32(messages).u32(bytes).finish();
}

/** Reads the row back; throws STORE_CORRUPT. */
export function decodeContact(bytes: Uint8Array): ContactRow {
  const row = new RowReader(bytes, 'contact');
  if (row.u8() !== VERSION) row.fail();
  const state = STATES[row.u8()] ?? row.fail();
  const contact = { state, sinceMs: row.u64(), messages: row.u32(), bytes: row.u32() };
  row.end();
  return contact;
}
