/**
 * All rows of one peer, taken away with one commit. Owns which rows those are; whether a peer is to
 * be forgotten is decided elsewhere.
 */
import { equalBytes } from '@agentmesh/crypto';
import { raiseBeginning } from '../conversation/beginning.js';
import { forgetNumbers } from '../conversation/heard-tags.js';
import type { Peer } from '../conversation/peer.js';
import { forgetSession } from '../conversation/skipped-keys.js';
import { behindOf, keysOf, outcomesUnder, pendingOf, ROW, sentTo } from '../store/row-keys.js';
import { rowsUnder } from '../store/row-pages.js';
import type { AgentStore } from '../store/store.js';
import type { StoreTransaction } from '../store/store-transaction.js';

/** Rows of which each peer has one. */
const SINGLE = [ROW.bundle, ROW.receipt, ROW.gap, ROW.unacked, ROW.told, ROW.taken, ROW.loop];

/** What was kept of a peer whose name now belongs to another identity. */
export async function forgetReplaced(
  store: AgentStore,
  tx: StoreTransaction,
  peer: Peer,
): Promise<void> {
  const { aid } = peer.identity;
  await forgetTalk(store, tx, peer);
  for (const row of [ROW.contact, ROW.stranger]) tx.delete(row(aid));
  tx.delete(ROW.peer(aid));
}

/** What was said by a peer and to it, and is owed to it; who it is stays known. */
export async function forgetTalk(
  store: AgentStore,
  tx: StoreTransaction,
  peer: Peer,
): Promise<void> {
  const { aid } = peer.identity;
  for (const { sid } of peer.sessions) await forgetSession(tx, sid);
  await forgetNumbers(tx, peer);
  for (const row of SINGLE) tx.delete(row(aid));
  for (const prefix of [
    sentTo(aid),
    behindOf(aid),
    outcomesUnder(aid),
    pendingOf(aid),
    keysOf(aid),
  ]) {
    for await (const { key } of rowsUnder(store, prefix)) tx.delete(key);
  }
}

/** All that was kept of a peer, and its name: it is a stranger again. */
export async function forgetPeer(
  store: AgentStore,
  tx: StoreTransaction,
  peer: Peer,
): Promise<void> {
  const { aid } = peer.identity;
  const holder = await tx.get(ROW.name(peer.name));
  if (holder !== null && equalBytes(holder, aid)) tx.delete(ROW.name(peer.name));
  await raiseBeginning(tx, peer);
  await forgetReplaced(store, tx, peer);
}
