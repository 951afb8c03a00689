/**
 * What has come of a conversation of former identities (protocol.md §2.13): whether a message of it
 * is known, and that one has come by way of the present identities. Owns this judgement; a message
 * that comes as it was said first is `settle`'s.
 */
import {
  forgetParts,
  isHeardHere,
  isHeardOfStore,
  isOtherHeard,
  rememberHeard,
} from './heard-tags.js';
import type { Heard } from './heard-tags.js';
import { encodePeer, replaceWindow } from './peer.js';
import type { Peer } from './peer.js';
import { windowsOf } from './run.js';
import { isNew, observe } from './sequence-window.js';
import type { WindowKey } from './sequence-window.js';
import { ROW } from '../store/row-keys.js';
import type { StoreTransaction } from '../store/store-transaction.js';

/** One message of a conversation: whose numbers, towards which identity of ours, and which. */
export interface FormerMessage {
  readonly key: WindowKey;
  readonly heard: Heard;
}

/** Whether it has come, as it was said first or since. */
export async function hasCome(
  tx: StoreTransaction,
  peer: Peer,
  { key, heard }: FormerMessage,
): Promise<boolean> {
  if (await isHeardOfStore(tx, peer, { key, heard })) return true;
  const isHere = await isHeardHere(tx, peer, { key, heard });
  for (const window of windowsOf(peer, key, heard.number, isHere)) {
    if (isNew(window, heard.number)) continue;
    if (!(await isOtherHeard(tx, peer, { window, heard }))) return true;
  }
  return false;
}

/** It has come now: what is known of the peer then, and up to where nothing is missing. */
export async function withCome(
  tx: StoreTransaction,
  before: Peer,
  { key, heard, boot }: FormerMessage & { readonly boot: number },
): Promise<{ readonly peer: Peer; readonly mark: number }> {
  const { number } = heard;
  const { aid } = before.identity;
  let peer = before;
  let mark = number;
  const isHere = await isHeardHere(tx, peer, { key, heard });
  for (const known of windowsOf(peer, key, number, isHere)) {
    if (!isNew(known, number)) continue;
    const { window } = observe(known, { number, boot });
    await rememberHeard(tx, aid, { window, heard });
    peer = replaceWindow(peer, window);
    mark = window.low;
  }
  const aside = await forgetParts(tx, aid, { before, after: peer });
  const stored = { peer: { ...peer, aside }, former: [] };
  tx.putLate(ROW.peer(aid), stored, (last) => encodePeer(last.peer));
  return { peer: stored.peer, mark };
}
