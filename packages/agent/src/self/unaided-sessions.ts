/**
 * Sessions that were accepted under a signed prekey without a one-time one (protocol.md §2.3): they
 * are counted for as long as that prekey lives, over restarts. Owns the row; that the prekey is
 * replaced once it is full is the publisher's.
 */
import { AGENT_LIMITS } from '../ground/limits.js';
import { RowReader, RowWriter } from '../store/row-codec.js';
import { ROW } from '../store/row-keys.js';
import type { StoreTransaction } from '../store/store-transaction.js';

const VERSION = 1;

/** How many there are under this signed prekey. */
export async function unaidedSessions(tx: StoreTransaction, signedId: number): Promise<number> {
  const bytes = await tx.get(ROW.unaided(signedId));
  if (bytes === null) return 0;
  const row = new RowReader(bytes, 'unaided');
  if (row.u8() !== VERSION) row.fail();
  const count = row.u32();
  row.end();
  return count;
}

/** Whether this signed prekey begins no more sessions by itself. */
export function isExhausted(count: number): boolean {
  return count >= AGENT_LIMITS.sessionsPerSignedPrekey;
}

/** Counts one more; returns how many there are then. Judged alone for each signed prekey. */
export async function countUnaided(tx: StoreTransaction, signedId: number): Promise<number> {
  const count = (await unaidedSessions(tx, signedId)) + 1;
  tx.put(ROW.unaided(signedId), new RowWriter().u8(VERSION).u32(count).finish());
  return count;
}
