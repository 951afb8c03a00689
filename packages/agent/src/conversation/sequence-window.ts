/**
 * Which numbers of one peer instance have been received (protocol.md §2.8 step 10): a mark without
 * a hole below it and a sparse set above. Exact and bounded for ever. Owns duplicates, holes, what
 * was given up and the acknowledgement that follows from them; does not know messages.
 */
import { equalBytes } from '@agentmesh/crypto';
import type { SequenceRange } from '@agentmesh/crypto';
import { AGENT_LIMITS } from '../ground/limits.js';
import type { RowReader, RowWriter } from '../store/row-codec.js';

const TAG_BYTES = 5;
/** Until version 6 of the peer's row. */
const FORMER_TAG_BYTES = 8;

/**
 * A number that was received, and the beginning of its msgId: enough to tell two messages apart.
 */
export interface SeenNumber {
  readonly number: number;
  readonly tag: Uint8Array;
}

/** The receive window of one (aid, instance), for one identity of ours. */
export interface SequenceWindow {
  /** Epoch in which the identity of ours began that these numbers are addressed to. */
  readonly since: number;
  readonly instance: Uint8Array;
  /** Highest boot seen of this instance. */
  readonly boot: number;
  /** Every number up to here was received, or given up. */
  readonly low: number;
  /** Ascending: the last few up to `low`, and all above it. */
  readonly seen: readonly SeenNumber[];
  /**
   * Ascending, up to `low`: numbers that were settled without having come. They are not asked for
   * any more, but one that was on its way all the time is as new as ever.
   */
  readonly givenUp: readonly SequenceRange[];
  /** The run of the same store that this one goes on from: numbers below `from` are both's. */
  readonly parent: { readonly instance: Uint8Array; readonly from: number } | null;
}

/** What a number is to a window: never seen, seen with this message, or seen with another one. */
export type Novelty = 'new' | 'duplicate' | 'conflict';

/** Whose numbers, and towards which identity of ours. */
export type WindowKey = Pick<SequenceWindow, 'since' | 'instance'>;

/** The window of an instance that nothing was received of. */
export function emptyWindow({ since, instance }: WindowKey): SequenceWindow {
  return { since, instance, boot: 0, low: 0, seen: [], givenUp: [], parent: null };
}

export function noveltyOf(window: SequenceWindow, number: number, msgId: Uint8Array): Novelty {
  const known = window.seen.find((entry) => entry.number === number);
  if (known !== undefined) {
    return equalBytes(known.tag, msgId.subarray(0, TAG_BYTES)) ? 'duplicate' : 'conflict';
  }
  const isGivenUp = window.givenUp.some(holds(number));
  // Older than what is remembered: a repeat, since every other one up to the mark was received.
  return number <= window.low && !isGivenUp ? 'duplicate' : 'new';
}

/** Whether a number has not come, and is waited for or may still come. */
export function isMissing(window: SequenceWindow, number: number): boolean {
  if (window.seen.some((entry) => entry.number === number)) return false;
  return number > window.low || window.givenUp.some(holds(number));
}

/** Whether this very message was received, as far as it is remembered. */
export function isSeen({ seen }: SequenceWindow, number: number, msgId: Uint8Array): boolean {
  const known = seen.find((entry) => entry.number === number);
  return known !== undefined && equalBytes(known.tag, msgId.subarray(0, TAG_BYTES));
}

/** The window after a change. `lost`: numbers that have not come and are waited for no more. */
export interface Observed {
  readonly window: SequenceWindow;
  readonly lost: readonly SequenceRange[];
}

/** Adds a number that is `new`. */
export function observe(
  window: SequenceWindow,
  received: { readonly number: number; readonly msgId: Uint8Array; readonly boot: number },
): Observed {
  const entry = { number: received.number, tag: received.msgId.slice(0, TAG_BYTES) };
  const at = window.seen.findIndex((other) => other.number > received.number);
  const seen = at < 0 ? [...window.seen, entry] : window.seen.toSpliced(at, 0, entry);
  const boot = Math.max(window.boot, received.boot);
  const givenUp = without(window.givenUp, received.number);
  const raised = settle({ ...window, boot, seen, givenUp });
  const above = raised.seen.filter((other) => other.number > raised.low);
  const excess = above[above.length - AGENT_LIMITS.sequenceSparse - 1];
  return excess === undefined ? { window: raised, lost: [] } : giveUp(raised, excess.number);
}

/**
 * Takes every number up to `floor` as settled: its sender will not send it (again). Where nothing
 * was received without a hole yet, that is where the conversation begins for us: nothing is lost.
 */
export function giveUp(window: SequenceWindow, floor: number): Observed {
  if (floor <= window.low) return { window, lost: [] };
  const holes = missing(window, Infinity).filter(({ from }) => from <= floor);
  const tail = { from: highest(window) + 1, to: floor };
  const all = tail.from <= floor ? [...holes, tail] : holes;
  const lost = all.map(({ from, to }) => ({ from, to: Math.min(to, floor) }));
  const givenUp = joined([...window.givenUp, ...lost]).slice(-AGENT_LIMITS.givenUpRanges);
  const settled = settle({ ...window, low: floor, givenUp });
  return { window: settled, lost: window.low === 0 ? [] : lost };
}

/**
 * The window of a run that goes on from another one: what is known of numbers below `from` holds
 * for it too. Where the parent is not known, those numbers are missing, and asked for.
 */
export function forkedFrom(
  window: SequenceWindow,
  of: SequenceWindow | null,
  parent: NonNullable<SequenceWindow['parent']>,
): SequenceWindow {
  const last = parent.from - 1;
  if (of === null || window.low >= last) return { ...window, parent };
  const seen = [...of.seen, ...window.seen].filter(({ number }, at) =>
    at < of.seen.length ? number <= last : number > last,
  );
  const givenUp = of.givenUp
    .filter(({ from }) => from <= last)
    .map(({ from, to }) => ({ from, to: Math.min(to, last) }));
  const boot = Math.max(of.boot, window.boot);
  const shared = settle({ ...window, boot, low: Math.min(of.low, last), seen, givenUp, parent });
  return giveUp(shared, window.low).window;
}

function holds(number: number): (range: SequenceRange) => boolean {
  return ({ from, to }) => from <= number && number <= to;
}

/** The ranges without one number. */
function without(ranges: readonly SequenceRange[], number: number): readonly SequenceRange[] {
  const at = ranges.findIndex(holds(number));
  const range = ranges[at];
  if (range === undefined) return ranges;
  const before = { from: range.from, to: number - 1 };
  const after = { from: number + 1, to: range.to };
  return ranges.toSpliced(at, 1, ...[before, after].filter(({ from, to }) => from <= to));
}

/** Ascending ranges, those that touch made one. */
function joined(ranges: readonly SequenceRange[]): readonly SequenceRange[] {
  const result: SequenceRange[] = [];
  for (const range of ranges) {
    const last = result.at(-1);
    if (last?.to === range.from - 1) result.splice(-1, 1, { from: last.from, to: range.to });
    else result.push(range);
  }
  return result;
}

/** Moves the mark over what follows it without a hole and forgets what lies far below. */
function settle(window: SequenceWindow): SequenceWindow {
  let { low } = window;
  for (const { number } of window.seen) if (number === low + 1) low = number;
  const recent = window.seen.filter(({ number }) => number <= low).length;
  const drop = Math.max(0, recent - AGENT_LIMITS.sequenceRecent);
  return { ...window, low, seen: drop === 0 ? window.seen : window.seen.slice(drop) };
}

/** The holes between the mark and the highest number seen, lowest first. */
export function missing(window: SequenceWindow, max: number): SequenceRange[] {
  const holes: SequenceRange[] = [];
  let next = window.low + 1;
  for (const { number } of window.seen) {
    if (number < next) continue;
    if (number > next && holes.length < max) holes.push({ from: next, to: number - 1 });
    next = number + 1;
  }
  return holes;
}

/** The highest number seen or settled. */
export function highest(window: SequenceWindow): number {
  return Math.max(window.low, window.seen.at(-1)?.number ?? 0);
}

export function writeWindow(row: RowWriter, window: SequenceWindow): void {
  row.u32(window.since).fixed(window.instance).u32(window.boot).u64(window.low);
  writeSeen(row, window.seen);
  row.list(window.givenUp, ({ from, to }) => row.u64(from).u64(to));
  row.optional(window.parent?.instance ?? null).u64(window.parent?.from ?? 0);
}

/** Each number as what it is above the one before: mostly one byte. */
function writeSeen(row: RowWriter, seen: readonly SeenNumber[]): void {
  let before = 0;
  row.list(seen, ({ number, tag }) => {
    row.varint(number - before).fixed(tag);
    before = number;
  });
}

function readSeen(row: RowReader): readonly SeenNumber[] {
  let before = 0;
  return row.list(() => {
    before += row.varint();
    return { number: before, tag: row.fixed(TAG_BYTES) };
  });
}

function readFormerSeen(row: RowReader): readonly SeenNumber[] {
  return row.list(() => {
    const number = row.u64();
    return { number, tag: row.fixed(FORMER_TAG_BYTES).slice(0, TAG_BYTES) };
  });
}

/** The window with at most so many numbers above its mark; the lowest go. */
export function withSparse(window: SequenceWindow, most: number): SequenceWindow {
  const above = window.seen.filter(({ number }) => number > window.low);
  const excess = above[above.length - Math.max(0, most) - 1];
  return excess === undefined ? window : giveUp(window, excess.number).window;
}

/** Numbers above the mark. */
export function sparseOf({ seen, low }: SequenceWindow): number {
  return seen.filter(({ number }) => number > low).length;
}

/**
 * `version`: of the peer's row; in the first one there was one identity only, until the third one
 * nothing was remembered of what was given up, until the fifth one nothing was known of runs, until
 * the seventh one numbers took more bytes.
 */
export function readWindow(row: RowReader, version: number): SequenceWindow {
  const window = {
    since: version === 1 ? 1 : row.u32(),
    instance: row.fixed(16),
    boot: row.u32(),
    low: row.u64(),
    seen: version < 7 ? readFormerSeen(row) : readSeen(row),
    givenUp: version < 3 ? [] : row.list(() => ({ from: row.u64(), to: row.u64() })),
  };
  const instance = version < 5 ? null : row.optional(16);
  const from = version < 5 ? 0 : row.u64();
  return { ...window, parent: instance === null ? null : { instance, from } };
}
