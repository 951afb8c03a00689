/**
 * Whether a peer may reach the handlers, which is not the same as whose key it has (docs: "Who is
 * this?"). Owns the row of a peer that may not, or not yet; a peer without one may.
 */
import { RowReader, RowWriter } from '../store/row-codec.js';
import { ROW } from '../store/row-keys.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import type { Standing } from './peer.js';
import { hasToBeAsked } from './trust.js';
import type { PeerReference, TrustPolicy } from './trust.js';

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

/** A peer that wrote first. */
export interface StrangerRow {
  /** Since when, by our clock. */
  readonly sinceMs: number;
  /** Whether it was answered. */
  readonly answered: boolean;
}

export function encodeStranger({ sinceMs, answered }: StrangerRow): Uint8Array {
  return new RowWriter().u8(VERSION).u64(sinceMs).flag(answered).finish();
}

/** Reads the row back; throws STORE_CORRUPT. */
export function decodeStranger(bytes: Uint8Array): StrangerRow {
  const row = new RowReader(bytes, 'stranger');
  if (row.u8() !== VERSION) row.fail();
  const stranger = { sinceMs: row.u64(), answered: row.flag() };
  row.end();
  return stranger;
}

/** Writes what is remembered of an identity that wrote first: it waits, or is a stranger. */
export function noteNewcomer(
  tx: StoreTransaction,
  aid: Uint8Array,
  met: {
    readonly policy: TrustPolicy;
    readonly standing: Standing;
    readonly reference: PeerReference | undefined;
    readonly nowMs: number;
  },
): void {
  const { policy, standing, reference, nowMs } = met;
  if (hasToBeAsked(policy, standing, reference)) {
    tx.put(ROW.contact(aid), encodeContact(contactRow('pending', nowMs)));
  } else if (reference === undefined && standing.verifiedBy === null) {
    tx.put(ROW.stranger(aid), encodeStranger({ sinceMs: nowMs, answered: false }));
  }
}

/** Another identity of a peer is no way around a decision about it. */
export async function inheritContact(
  tx: StoreTransaction,
  { from, to }: { readonly from: Uint8Array; readonly to: Uint8Array },
): Promise<void> {
  for (const row of [ROW.contact, ROW.stranger]) {
    const known = await tx.get(row(from));
    if (known !== null) tx.put(row(to), known);
  }
}
