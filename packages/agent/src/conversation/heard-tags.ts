/**
 * The beginnings of the msgIds that were received under the last numbers of a peer's instances:
 * enough to tell a repeat from another message with its number (protocol.md §2.8 step 10). Owns
 * their rows, one for each part of a window, so that a message writes one small row; which numbers
 * are remembered is `sequence-window`'s.
 */
import { equalBytes } from '@agentmesh/crypto';
import { isSameStore } from '../self/meta.js';
import { DecodedRows, RowReader, RowWriter } from '../store/row-codec.js';
import { ROW } from '../store/row-keys.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import { currentWindow } from './peer.js';
import type { Peer } from './peer.js';
import { PART_NUMBERS, partOf, partsOf } from './sequence-window.js';
import type { FormerWindow, SeenNumber, SequenceWindow, WindowKey } from './sequence-window.js';

const VERSION = 1;
const TAG_BYTES = 5;
/** A peer decides how often a run is forgotten: what that writes is bounded. */
const BEQUEATHED_PARTS = 16;

/** A message under a number. */
export interface Heard {
  readonly number: number;
  readonly msgId: Uint8Array;
}

function tagOf(msgId: Uint8Array): Uint8Array {
  return msgId.slice(0, TAG_BYTES);
}

const rows = new DecodedRows<readonly SeenNumber[]>();

function encodeTags(tags: readonly SeenNumber[]): Uint8Array {
  const row = new RowWriter().u8(VERSION);
  for (const { number, tag } of tags) row.u8(number % PART_NUMBERS).fixed(tag);
  return row.finish();
}

function decodeTags(bytes: Uint8Array, part: number): readonly SeenNumber[] {
  const row = new RowReader(bytes, 'heard');
  if (row.u8() !== VERSION) row.fail();
  const length = (bytes.length - 1) / (1 + TAG_BYTES);
  if (!Number.isInteger(length) || length > PART_NUMBERS) row.fail();
  return Array.from({ length }, () => ({
    number: part * PART_NUMBERS + row.u8(),
    tag: row.fixed(TAG_BYTES),
  }));
}

async function loadTags(
  tx: StoreTransaction,
  aid: Uint8Array,
  at: WindowKey & { readonly part: number },
): Promise<readonly SeenNumber[]> {
  const decode = (row: Uint8Array): readonly SeenNumber[] =>
    rows.read(row, (bytes) => decodeTags(bytes, at.part));
  return (await tx.read(ROW.heard(aid, at, at.part), decode)) ?? [];
}

/** The tag that is remembered with a window for one of its numbers; null if none is. */
async function knownTag(
  tx: StoreTransaction,
  aid: Uint8Array,
  { window, number }: { readonly window: SequenceWindow; readonly number: number },
): Promise<Uint8Array | null> {
  const tags = await loadTags(tx, aid, { ...window, part: partOf(number) });
  return tags.find((each) => each.number === number)?.tag ?? null;
}

/**
 * Whether another message is known under a number that a window has seen. The numbers that a run
 * shares with those before it are remembered with them.
 */
export async function isOtherHeard(
  tx: StoreTransaction,
  peer: Peer,
  { window, heard }: { readonly window: SequenceWindow; readonly heard: Heard },
): Promise<boolean> {
  const { number, msgId } = heard;
  const { parent } = window;
  const isShared = parent !== null && number < parent.from;
  const places = isShared ? [window, ...runsOf(peer.windows, window).toReversed()] : [window];
  for (const place of places) {
    const known = await knownTag(tx, peer.identity.aid, { window: place, number });
    if (known !== null) return !equalBytes(known, tagOf(msgId));
  }
  return false;
}

/**
 * Whether the window of the peer's present run has seen this very number, and as far as is known
 * with this message: what came before a run is shared by those after it.
 */
export async function isHeardHere(
  tx: StoreTransaction,
  peer: Peer,
  { key, heard }: { readonly key: WindowKey; readonly heard: Heard },
): Promise<boolean> {
  const window = currentWindow(peer, key.since);
  if (window === null || !window.seen.includes(heard.number)) return false;
  return !(await isOtherHeard(tx, peer, { window, heard }));
}

/** Remembers a message under a number that its window has just taken; stale ones of its part go. */
export async function rememberHeard(
  tx: StoreTransaction,
  aid: Uint8Array,
  { window, heard }: { readonly window: SequenceWindow; readonly heard: Heard },
): Promise<void> {
  const { number, msgId } = heard;
  if (!window.seen.includes(number)) return;
  const { since, instance } = window;
  const part = partOf(number);
  const before = await loadTags(tx, aid, { since, instance, part });
  const kept = before.filter((each) => each.number !== number && window.seen.includes(each.number));
  const tags = [...kept, { number, tag: tagOf(msgId) }];
  tx.putLate(ROW.heard(aid, window, part), tags, (last) => rows.written(encodeTags(last), last));
}

/**
 * Whether this very message was received of any run of its store: the window of its own may be
 * forgotten, and a later run may not have said yet from where it goes on.
 */
export async function isHeardOfStore(
  tx: StoreTransaction,
  peer: Peer,
  { key, heard }: { readonly key: WindowKey; readonly heard: Heard },
): Promise<boolean> {
  const { number, msgId } = heard;
  for (const window of runsOf(peer.windows, key)) {
    if (!window.seen.includes(number)) continue;
    const known = await knownTag(tx, peer.identity.aid, { window, number });
    if (known !== null && equalBytes(known, tagOf(msgId))) return true;
  }
  return false;
}

/** The windows of all runs of one store. */
function runsOf(windows: Peer['windows'], { since, instance }: WindowKey): Peer['windows'] {
  return windows.filter((each) => each.since === since && isSameStore(each.instance, instance));
}

/**
 * Rows of parts that no window of the peer has any more. What a run that is forgotten shares with
 * one that is kept is remembered with that.
 */
export async function forgetParts(
  tx: StoreTransaction,
  aid: Uint8Array,
  windows: { readonly before: Peer['windows']; readonly after: Peer['windows'] },
): Promise<void> {
  const forgotten = windows.before.filter(
    (window) =>
      !windows.after.some(
        ({ since, instance }) => since === window.since && equalBytes(instance, window.instance),
      ),
  );
  for (const window of forgotten) await bequeath(tx, aid, { window, to: windows.after });
  const gone = windows.before.filter((window) => !windows.after.includes(window));
  const keys = gone.flatMap((window) =>
    partsOf(window).map((part) => ROW.heard(aid, window, part)),
  );
  if (keys.length === 0) return;
  const kept = new Set(
    windows.after.flatMap((window) => partsOf(window).map((part) => ROW.heard(aid, window, part))),
  );
  for (const key of keys) if (!kept.has(key)) tx.delete(key);
}

/** The last run that has seen a number remembers its message; so of the newest parts. */
async function bequeath(
  tx: StoreTransaction,
  aid: Uint8Array,
  { window, to }: { readonly window: SequenceWindow; readonly to: Peer['windows'] },
): Promise<void> {
  const heirs = runsOf(to, window);
  if (heirs.length === 0) return;
  for (const part of partsOf(window).slice(-BEQUEATHED_PARTS)) {
    const tags = await loadTags(tx, aid, { ...window, part });
    const byHeir = Map.groupBy(tags, ({ number }) =>
      heirs.findLast(({ seen }) => seen.includes(number)),
    );
    for (const [heir, shared] of byHeir) {
      if (heir === undefined) continue;
      const own = await loadTags(tx, aid, { ...heir, part });
      const others = shared.filter(({ number }) => !own.some((each) => each.number === number));
      tx.put(ROW.heard(aid, heir, part), encodeTags([...own, ...others]));
    }
  }
}

/** Writes the rows of what an earlier version kept in the peer's row. */
export function moveTags(
  tx: StoreTransaction,
  aid: Uint8Array,
  former: readonly FormerWindow[],
): void {
  for (const { window, tags } of former) {
    for (const part of partsOf(window)) {
      const ofPart = tags.filter(({ number }) => partOf(number) === part);
      tx.put(ROW.heard(aid, window, part), encodeTags(ofPart));
    }
  }
}
