/**
 * Caps on what is kept of the sessions of one peer: their number, and the skipped keys in all of
 * them. Owns what falls to them after a message, and its rows.
 */
import { equalBytes, LIMITS } from '@agentmesh/crypto';
import { ROW } from '../store/row-keys.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import { replaceSession } from './peer.js';
import type { Peer } from './peer.js';
import { boundSessions, decodeSessionRow, encodeSessionRow } from './sessions.js';
import { forgetSession, forgetSkipped } from './skipped-keys.js';

/** The peer within its caps, after a message in session `sid`; what falls is deleted with it. */
export async function withBounds(
  tx: StoreTransaction,
  peer: Peer,
  at: { readonly epoch: number; readonly nowMs: number; readonly sid: Uint8Array },
): Promise<{ readonly peer: Peer; readonly droppedKeys: number }> {
  const standing = { epoch: at.epoch, instance: peer.instance };
  const { kept, dropped } = boundSessions(peer.sessions, standing, at.nowMs);
  for (const { sid } of dropped) await forgetSession(tx, sid);
  const bounded = { ...peer, sessions: kept };
  const total = kept.reduce((sum, entry) => sum + entry.skipped, 0);
  if (total <= LIMITS.skippedKeysPerPeer) return { peer: bounded, droppedKeys: 0 };
  const stalest = kept
    .filter((entry) => entry.skipped > 0 && !equalBytes(entry.sid, at.sid))
    .toSorted((a, b) => a.usedMs - b.usedMs)[0];
  if (stalest === undefined) return { peer: bounded, droppedKeys: 0 };
  const row = await tx.get(ROW.session(stalest.sid));
  if (row !== null) {
    tx.put(ROW.session(stalest.sid), encodeSessionRow({ ...decodeSessionRow(row), skipped: [] }));
    await forgetSkipped(tx, stalest.sid);
  }
  const emptied = replaceSession(bounded, { ...stalest, skipped: 0 });
  return { peer: emptied, droppedKeys: stalest.skipped };
}
