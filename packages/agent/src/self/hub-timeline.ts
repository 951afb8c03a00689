/**
 * Which store our hub had when we saw it last, and in which course of its time (protocol.md §2.15).
 * Owns the row and the judgement whether the hub may have lost what it had accepted since.
 */
import { equalBytes } from '@agentmesh/crypto';
import type { StoreTimelines } from '@agentmesh/protocol';
import { RowReader, RowWriter } from '../store/row-codec.js';

const VERSION = 1;
const LENGTH = 16;

/** The store, and the timeline that it is in. */
export function encodeHistory({ store, timelines }: StoreTimelines): Uint8Array {
  const [present = new Uint8Array(LENGTH)] = timelines;
  return new RowWriter().u8(VERSION).fixed(store).fixed(present).finish();
}

/** Whether the hub vouches that its store has lost nothing since we saw it last. */
export function vouchesFor(row: Uint8Array | null, told: StoreTimelines | null): boolean {
  return row !== null && told !== null && !isOfOtherTime(row, told);
}

/** Whether the hub has another store than before, or one that may have lost some of its time. */
export function isOfOtherTime(row: Uint8Array | null, told: StoreTimelines | null): boolean {
  if (row === null || told === null) return false;
  const { store, timeline } = decode(row);
  const goesOn = told.timelines.some((known) => equalBytes(known, timeline));
  return !equalBytes(store, told.store) || !goesOn;
}

function decode(bytes: Uint8Array): { readonly store: Uint8Array; readonly timeline: Uint8Array } {
  const row = new RowReader(bytes, 'hub-timeline');
  if (row.u8() !== VERSION) row.fail();
  const known = { store: row.fixed(LENGTH), timeline: row.fixed(LENGTH) };
  row.end();
  return known;
}
