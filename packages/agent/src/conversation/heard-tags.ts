/**
 * The beginnings of the msgIds that were received under the last numbers of a peer's instances:
 * enough to tell a repeat from another message with its number (protocol.md §2.8 step 10). Owns
 * their rows, one for each part of a window, so that a message writes one small row; which numbers
 * are remembered is `sequence-window`'s.
 */
import { equalBytes } from '@agentmesh/crypto';
import { isSameStore, withoutRun } from '../self/meta.js';
import { DecodedRows, RowReader, RowWriter } from '../store/row-codec.js';
import { ROW } from '../store/row-keys.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import { currentWindow } from './peer.js';
import type { Peer } from './peer.js';
import { emptyWindow, isNew, PART_NUMBERS, partOf, partsOf, withParts } from './sequence-window.js';
import type { FormerWindow, SeenNumber, SequenceWindow, WindowKey } from './sequence-window.js';

const VERSION = 1;
const TAG_BYTES = 5;
/** A peer decides how often a run is forgotten: what that writes is bounded. */
const BEQUEATHED_PARTS = 16;
/** Parts of what runs that are forgotten had, and stores of which that is remembered. */
const ASIDE_PARTS = 32;
const ASIDE_STORES = 2;
/** Messages of one part put aside: runs of several lost times may have given the same numbers. */
const ASIDE_TAGS = 2 * PART_NUMBERS;
/** Forgotten runs of which is remembered up to where everything had come. */
const ASIDE_RUNS = 16;

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
  if (!Number.isInteger(length) || length > ASIDE_TAGS) row.fail();
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

/** Remembers a message under a number that its window has just taken. */
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
  // Those that are far below the mark by now go with their part: it may be put aside before.
  const kept = before.filter((each) => each.number !== number);
  const tags = [...kept, { number, tag: tagOf(msgId) }];
  tx.putLate(ROW.heard(aid, window, part), tags, (last) => rows.written(encodeTags(last), last));
}

/**
 * The same in the place of another message, which a run of a lost time had given this number: that
 * one is put aside. Returns what is aside then.
 */
export async function rememberInstead(
  tx: StoreTransaction,
  peer: Peer,
  { window, heard }: { readonly window: SequenceWindow; readonly heard: Heard },
): Promise<Peer['aside']> {
  const { aid } = peer.identity;
  const { number } = heard;
  const known = await knownTag(tx, aid, { window, number });
  await rememberHeard(tx, aid, { window, heard });
  if (known === null) return peer.aside;
  const place = asideOf(peer.aside, window);
  const at = { since: place.since, instance: place.instance, part: partOf(number) };
  const tags = [...(await loadTags(tx, aid, at)), { number, tag: known }].slice(-ASIDE_TAGS);
  tx.put(ROW.heard(aid, place, at.part), encodeTags(tags));
  return withSeen(peer.aside, place, [...place.seen, number]);
}

/**
 * Whether this very message was received of any run of its store: the window of its own may be
 * forgotten, and a later run may not have said yet from where it goes on.
 */
export async function isHeardOfStore(
  tx: StoreTransaction,
  { identity, windows, aside }: Peer,
  { key, heard }: { readonly key: WindowKey; readonly heard: Heard },
): Promise<boolean> {
  const ofIt = (each: SequenceWindow): boolean =>
    each.since === key.since && equalBytes(each.instance, key.instance);
  const own = aside.find(ofIt);
  if (own !== undefined && !isNew(own, heard.number)) return true;
  const having = [...windows, ...aside].filter(({ seen }) => seen.includes(heard.number));
  if (having.length === 0) return false;
  for (const { since, instance } of runsOf(having, key)) {
    const at = { since, instance, part: partOf(heard.number) };
    const tags = await loadTags(tx, identity.aid, at);
    if (tags.some((each) => isHeard(each, heard))) return true;
  }
  return false;
}

function isHeard({ number, tag }: SeenNumber, heard: Heard): boolean {
  return number === heard.number && equalBytes(tag, tagOf(heard.msgId));
}

/** The windows of all runs of one store. */
function runsOf(windows: Peer['windows'], { since, instance }: WindowKey): Peer['windows'] {
  return windows.filter((each) => each.since === since && isSameStore(each.instance, instance));
}

/** What of a peer's numbers is remembered, and where. */
type Remembered = Pick<Peer, 'windows' | 'aside'>;
type Aside = Pick<Peer, 'aside'>;

/**
 * Rows of parts that no window of the peer has any more. What a run that is forgotten shares with
 * one that is kept is remembered with that; what it alone had is put aside: nobody may ever say
 * from where which run went on. Returns what is aside then.
 */
export async function forgetParts(
  tx: StoreTransaction,
  aid: Uint8Array,
  { before, after }: { readonly before: Remembered; readonly after: Remembered },
): Promise<Peer['aside']> {
  const forgotten = before.windows.filter(
    (window) =>
      !after.windows.some(
        ({ since, instance }) => since === window.since && equalBytes(instance, window.instance),
      ),
  );
  const isShared = before.windows.some(
    ({ parent, seen: [first = Infinity] }) => parent !== null && first < parent.from,
  );
  const gonePast = isShared ? passed(before.windows, after.windows) : [];
  let { aside } = after;
  for (const window of [...forgotten, ...gonePast]) {
    aside = await bequeath(tx, aid, { window, to: after.windows, aside });
  }
  for (const window of forgotten) aside = withMark(aside, window);
  const kept = [...after.windows, ...aside];
  const gone = [...before.windows, ...before.aside].filter((window) => !kept.includes(window));
  const keys = gone.flatMap((window) =>
    partsOf(window).map((part) => ROW.heard(aid, window, part)),
  );
  if (keys.length === 0) return aside;
  const keptKeys = new Set(
    kept.flatMap((window) => partsOf(window).map((part) => ROW.heard(aid, window, part))),
  );
  for (const key of keys) if (!keptKeys.has(key)) tx.delete(key);
  return aside;
}

/**
 * What runs share with those before them, and what is too far below the mark now to be remembered
 * with them: the runs that sent it may be forgotten, and who speaks now may not have said that it
 * goes on from any of them.
 */
function passed(before: Peer['windows'], after: Peer['windows']): SequenceWindow[] {
  return after.flatMap((window) => {
    const { parent, since, instance, seen } = window;
    const was = before.find((each) => each.since === since && equalBytes(each.instance, instance));
    if (parent === null || was === undefined || was === window) return [];
    const [first = 0] = seen;
    const gone = was.seen.filter((number) => number < first && number < parent.from);
    return gone.length === 0 ? [] : [{ ...window, seen: gone }];
  });
}

/** Rows of all that is remembered of a peer's numbers: it is forgotten. */
export async function forgetNumbers(tx: StoreTransaction, peer: Peer): Promise<void> {
  const before = { windows: [...peer.windows, ...peer.aside], aside: [] };
  await forgetParts(tx, peer.identity.aid, { before, after: { windows: [], aside: [] } });
}

/** What is known under numbers of one part, in a place. */
interface Place {
  readonly window: SequenceWindow;
  tags: readonly SeenNumber[];
}

/**
 * The last run that has seen a number remembers its message, unless it knows another one: two runs,
 * one of a lost time, may have given one number. Else it is put aside; so of the newest parts. Of a
 * store of which no run is kept nothing is.
 */
async function bequeath(
  tx: StoreTransaction,
  aid: Uint8Array,
  { window, to, aside }: { readonly window: SequenceWindow; readonly to: Peer['windows'] } & Aside,
): Promise<Peer['aside']> {
  const heirs = runsOf(to, window);
  if (heirs.length === 0) return aside;
  const former = asideOf(aside, window);
  const seen = new Set(former.seen);
  for (const part of partsOf(window).slice(-BEQUEATHED_PARTS)) {
    const placeOf = async (at: SequenceWindow): Promise<Place> => {
      const tags = await loadTags(tx, aid, { since: at.since, instance: at.instance, part });
      return { window: at, tags };
    };
    const last = await placeOf(former);
    const places = await Promise.all(heirs.map(placeOf));
    for (const tag of await loadTags(tx, aid, { ...window, part })) {
      const heir = heirOf(places, last, tag);
      if (heir === null) continue;
      heir.tags = [...heir.tags, tag].slice(heir === last ? -ASIDE_TAGS : -PART_NUMBERS);
      tx.put(ROW.heard(aid, heir.window, part), encodeTags(heir.tags));
      if (heir === last) seen.add(tag.number);
    }
  }
  return seen.size === former.seen.length ? aside : withSeen(aside, former, [...seen]);
}

/** What is aside with these numbers in one of its places; the oldest go. */
function withSeen(
  aside: Peer['aside'],
  place: SequenceWindow,
  seen: readonly number[],
): Peer['aside'] {
  const sorted = [...new Set(seen)].toSorted((a, b) => a - b);
  const bounded = withParts({ ...place, seen: sorted }, ASIDE_PARTS).window.seen;
  const next = { ...place, seen: bounded };
  const places = aside.filter((each) => isPlace(each) && each !== place);
  const marks = aside.filter((each) => !isPlace(each));
  return [...[...places, next].slice(-ASIDE_STORES), ...marks];
}

/**
 * A run that has said more than is remembered by the beginnings of msgIds: what it says again is a
 * repeat up to its mark, whoever goes on from it.
 */
function withMark(aside: Peer['aside'], window: SequenceWindow): Peer['aside'] {
  const { since, instance, boot, low, seen, givenUp, parent } = window;
  const isRemembered = (seen[0] ?? low + 1) <= (parent?.from ?? 1);
  const same = aside.find((each) => each.since === since && equalBytes(each.instance, instance));
  if (isRemembered || low <= (same?.low ?? 0)) return aside;
  const mark = { since, instance, boot, low, seen: [], givenUp, parent: null };
  const marks = aside.filter((each) => each !== same && !isPlace(each));
  return [...aside.filter(isPlace), ...[...marks, mark].slice(-ASIDE_RUNS)];
}

/** Whether it holds what several runs of a store had, not the mark of one. */
function isPlace({ instance }: SequenceWindow): boolean {
  return equalBytes(instance, withoutRun(instance));
}

/** Who is to remember a message; null where somebody does. */
function heirOf(heirs: readonly Place[], last: Place, { number, tag }: SeenNumber): Place | null {
  const isSame = (each: SeenNumber): boolean => each.number === number;
  const isKnown = [...heirs, last].some(
    ({ window, tags }) =>
      window.seen.includes(number) &&
      tags.some((each) => isSame(each) && equalBytes(each.tag, tag)),
  );
  if (isKnown) return null;
  const isFree = ({ window, tags }: Place): boolean =>
    window.seen.includes(number) && !tags.some(isSame);
  return heirs.findLast(isFree) ?? last;
}

/** Where that is remembered: an instance that no run of the store has. */
function asideOf(aside: Peer['aside'], { since, instance }: SequenceWindow): SequenceWindow {
  const found = runsOf(aside.filter(isPlace), { since, instance })[0];
  return found ?? emptyWindow({ since, instance: withoutRun(instance) });
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
