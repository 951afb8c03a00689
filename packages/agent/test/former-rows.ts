/**
 * Rows as the version before wrote them: the numbers and messages of a peer in its row, skipped
 * keys in the row of their session. Owns the rewriting; reading such rows is the agent's.
 */
import { decodeSession, encodeSession, fromHex } from '@agentmesh/crypto';
import { decodePeer, writeTrust, writeWay } from '../src/conversation/peer.js';
import type { Peer } from '../src/conversation/peer.js';
import type { SequenceWindow } from '../src/conversation/sequence-window.js';
import { writeEntry } from '../src/conversation/sessions.js';
import { loadSkipped } from '../src/conversation/skipped-keys.js';
import { RowWriter } from '../src/store/row-codec.js';
import type { AgentStore, StoreOperation } from '../src/store/store.js';

const ALL = { from: '', to: '~', limit: 100_000 };

/** By key of a `heard` row. */
type Heard = ReadonlyMap<string, Uint8Array>;

/** Makes an open store one of the version before. */
export async function makeFormer(store: AgentStore): Promise<void> {
  const rows = await store.range(ALL);
  const heard = new Map(
    rows.filter(({ key }) => key.startsWith('heard/')).map(({ key, value }) => [key, value]),
  );
  const operations: StoreOperation[] = [];
  for (const { key, value } of rows) {
    if (key.startsWith('heard/') || key.startsWith('skipped/')) operations.push({ delete: key });
    if (key.startsWith('peer/')) {
      operations.push({ put: key, value: formerPeer(decodePeer(value), heard, key.slice(5)) });
    }
    if (key.startsWith('session/')) {
      const parts = await loadSkipped(store, fromHex(key.slice('session/'.length)));
      const skipped = parts.flatMap((part) => part.keys);
      operations.push({ put: key, value: encodeSession({ ...decodeSession(value), skipped }) });
    }
  }
  await store.commit(operations);
}

function formerPeer(peer: Peer, heard: Heard, aid: string): Uint8Array {
  const row = new RowWriter().u8(7).fixed(peer.identity.signing).fixed(peer.identity.dh);
  row.text(peer.name).list(peer.formerly, (each) => row.fixed(each));
  row.optional(peer.succeededBy).flag(peer.isRevoked).optional(peer.contestedBy);
  writeTrust(row, peer.trust);
  writeWay(row.u64(peer.pinnedMs), peer.verifiedBy);
  row.u32(peer.record.revision).bytes(peer.record.bytes).u64(peer.newestSignedMs);
  row.list(peer.sessions, (entry) => writeEntry(row, entry)).u32(peer.generation);
  row.optional(peer.instance).optional(peer.heldInstance);
  row.list(peer.windows, (window) => writeFormer(row, window, { heard, aid }));
  const { epoch, next, acked, wanted, keptFrom, total, before, trimmedMs } = peer.outgoing;
  row.u32(epoch).u64(next).u64(acked).u64(wanted).u64(keptFrom);
  row.u64(total).u64(before).u64(trimmedMs);
  row.u32(peer.outgoing.run).optional(peer.outgoing.instance);
  row.u64(peer.ackSent).u32(peer.owed).u64(peer.reset.atMs).u32(peer.reset.count);
  return row.finish();
}

function writeFormer(
  row: RowWriter,
  window: SequenceWindow,
  { heard, aid }: { readonly heard: Heard; readonly aid: string },
): void {
  row.u32(window.since).fixed(window.instance).u32(window.boot).u64(window.low);
  let before = 0;
  row.list(window.seen, (number) => {
    row.varint(number - before).fixed(tagIn(heard, aid, number));
    before = number;
  });
  row.list(window.givenUp, ({ from, to }) => row.u64(from).u64(to));
  row.optional(window.parent?.instance ?? null).u64(window.parent?.from ?? 0);
}

/** The first five bytes of the msgId under a number; one instance is enough here. */
function tagIn(heard: Heard, aid: string, number: number): Uint8Array {
  for (const [key, value] of heard) {
    const isIts =
      key.startsWith(`heard/${aid}/`) && key.endsWith(`/${(number >>> 6).toString(16)}`);
    for (let at = 1; isIts && at < value.length; at += 6) {
      if (value[at] === number % 64) return value.slice(at + 1, at + 6);
    }
  }
  throw new TypeError(`nothing is known of number ${number}`);
}
