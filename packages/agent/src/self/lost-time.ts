/**
 * The time that this store has lost: it went back, or was begun anew in place of a lost one. Owns
 * the row; a message that was sent before may have been handled in that time already.
 */
import { RowReader, RowWriter } from '../store/row-codec.js';

const VERSION = 1;
/** Clocks of two machines differ by seconds: one message too many is marked, not one too few. */
export const LOST_TIME_TOLERANCE_MS = 60_000;

/** `untilMs`: when the loss was seen, by our clock. */
export function encodeLostTime(untilMs: number): Uint8Array {
  return new RowWriter().u8(VERSION).u64(untilMs).finish();
}

/** When the last loss was seen; long ago for none. Throws STORE_CORRUPT. */
export function decodeLostTime(bytes: Uint8Array | null): number {
  if (bytes === null) return Number.NEGATIVE_INFINITY;
  const row = new RowReader(bytes, 'lost-time');
  if (row.u8() !== VERSION) row.fail();
  const untilMs = row.u64();
  row.end();
  return untilMs;
}
