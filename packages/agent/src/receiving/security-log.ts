/**
 * The last refusals, for an operator who looks into what happened (protocol.md §2.8): when, whose,
 * which code. Owns the row and the bound; holds nothing of what was in a message.
 */
import { RowWriter } from '../store/row-codec.js';
import { orderOf, ROW } from '../store/row-keys.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import { AGENT_LIMITS } from '../ground/limits.js';

/** One refusal. */
export interface SecurityEvent {
  readonly atMs: number;
  readonly code: string;
  /** aid that the hub claimed. */
  readonly from: Uint8Array;
  /** Null for an envelope that came by hand. */
  readonly envelopeId: Uint8Array | null;
}

const VERSION = 1;

/** Writes a refusal under the next key of the log and drops the one beyond the bound. */
export function logRefusal(tx: StoreTransaction, key: string, event: SecurityEvent): void {
  const row = new RowWriter().u8(VERSION).u64(event.atMs).text(event.code);
  tx.put(key, row.fixed(event.from).optional(event.envelopeId).finish());
  const beyond = orderOf(key) - AGENT_LIMITS.securityEvents;
  if (beyond > 0) tx.delete(ROW.log('security', beyond));
}
