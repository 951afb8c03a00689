/**
 * All rows of one peer, taken away with one commit. Owns which rows those are; whether a peer is to
 * be forgotten is decided elsewhere.
 */
import { equalBytes } from '@agentmesh/crypto';
import type { Peer } from '../conversation/peer.js';
import { forgetSent } from '../conversation/sent-log.js';
import { outcomesUnder, ROW } from '../store/row-keys.js';
import { rowsUnder } from '../store/row-pages.js';
import type { AgentStore } from '../store/store.js';
import type { StoreTransaction } from '../store/store-transaction.js';

/** What was kept of a peer whose name now belongs to another identity. */
export function forgetReplaced(tx: StoreTransaction, peer: Peer): void {
  const { aid } = peer.identity;
  for (const { sid } of peer.sessions) tx.delete(ROW.session(sid));
  forgetSent(tx, peer);
  for (const row of [ROW.peer, ROW.bundle, ROW.receipt, ROW.gap, ROW.unacked, ROW.told])
    tx.delete(row(aid));
}

/** All that was kept of a peer, its name and what it was owed too: it is a stranger again. */
export async function forgetPeer(
  store: AgentStore,
  tx: StoreTransaction,
  peer: Peer,
): Promise<void> {
  const { aid } = peer.identity;
  const holder = await tx.get(ROW.name(peer.name));
  if (holder !== null && equalBytes(holder, aid)) tx.delete(ROW.name(peer.name));
  for await (const { key } of rowsUnder(store, outcomesUnder(aid))) tx.delete(key);
  forgetReplaced(tx, peer);
}
