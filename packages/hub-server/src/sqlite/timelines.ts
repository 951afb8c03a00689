/**
 * Which store a database is, and which course of its time (hub.md §4). Owns two rows of `meta`: an
 * id that is made with the database, and timelines, the present one first. An opening after an
 * orderly end goes on from the ones before; after any other end the file may be a copy of one that
 * went on, and agents must not take it for that.
 */
import type { RandomSource, StoreTimelines } from '@agentmesh/protocol';
import { PROTOCOL_LIMITS } from '@agentmesh/protocol';
import type { DatabaseSync } from 'node:sqlite';

const ID = 'store_id';
const TIMELINES = 'timelines';
const LENGTH = 16;

/** One more opening: in the transaction that marks the database as in use. */
export function openTimeline(
  database: DatabaseSync,
  { random, isAfterOrderlyEnd }: { random: RandomSource; isAfterOrderlyEnd: boolean },
): void {
  const before = isAfterOrderlyEnd ? (bytesAt(database, TIMELINES) ?? new Uint8Array()) : [];
  const all = Uint8Array.from([...random(LENGTH), ...before]);
  const put = database.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)');
  put.run(TIMELINES, all.subarray(0, LENGTH * PROTOCOL_LIMITS.timelines));
  if (bytesAt(database, ID) === null) put.run(ID, random(LENGTH));
}

/** What agents are told. */
export function historyOf(database: DatabaseSync): StoreTimelines {
  const store = bytesAt(database, ID) ?? new Uint8Array(LENGTH);
  const all = bytesAt(database, TIMELINES) ?? new Uint8Array(LENGTH);
  const timelines = Array.from({ length: all.length / LENGTH }, (_, at) =>
    all.slice(at * LENGTH, (at + 1) * LENGTH),
  );
  return { store, timelines };
}

function bytesAt(database: DatabaseSync, key: string): Uint8Array | null {
  const value = database.prepare('SELECT value FROM meta WHERE key = ?').get(key)?.['value'];
  return value instanceof Uint8Array ? value : null;
}
