/**
 * Which numbers of one peer instance have been received (protocol.md §2.8 step 10): a mark without
 * a hole below it and a sparse set above. Exact and bounded for ever. Owns repeats, holes, what
 * was given up and the acknowledgement that follows from them; does not know messages, whose ids
 * are `heard-tags`'.
 */
import type { SequenceRange } from '@agentmesh/crypto';
import { AGENT_LIMITS } from '../ground/limits.js';
import type { RowReader, RowWriter } from '../store/row-codec.js';

/** Numbers of one part: a bitmap of eight bytes says which of them were seen. */
export const PART_NUMBERS = 64;
const BITMAP_BYTES = PART_NUMBERS / 8;
/** Of a msgId, until version 6 of the peer's row and in version 7. */
const FORMER_TAG_BYTES = 8;
const TAG_BYTES = 5;

/** Where a run goes on: with this number, behind those of that instance. */
export interface RunLink {
  /** 16 bytes; in a word zeros for the instance that the peer knew last. */
  readonly instance: Uint8Array;
  readonly number: number;
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
  readonly seen: readonly number[];
  /**
   * Ascending, up to `low`: numbers that were settled without having come. They are not asked for
   * any more, but one that was on its way all the time is as new as ever.
   */
  readonly givenUp: readonly SequenceRange[];
  /**
   * The run of the same store that this one goes on from: numbers below `from` are both's.
   * `before`: how that one went on, and those before it, where it was said with it.
   */
  readonly parent: {
    readonly instance: Uint8Array;
    readonly from: number;
    readonly before: readonly RunLink[];
  } | null;
}

/** Whose numbers, and towards which identity of ours. */
export type WindowKey = Pick<SequenceWindow, 'since' | 'instance'>;

/** The window of an instance that nothing was received of. */
export function emptyWindow({ since, instance }: WindowKey): SequenceWindow {
  return { since, instance, boot: 0, low: 0, seen: [], givenUp: [], parent: null };
}

/** Whether a number was never received; one far below the mark is a repeat. */
export function isNew(window: SequenceWindow, number: number): boolean {
  if (window.seen.includes(number)) return false;
  return number > window.low || window.givenUp.some(holds(number));
}

/** The window after a change. `lost`: numbers that have not come and are waited for no more. */
export interface Observed {
  readonly window: SequenceWindow;
  readonly lost: readonly SequenceRange[];
}

/** Adds a number that is new. */
export function observe(
  window: SequenceWindow,
  received: { readonly number: number; readonly boot: number },
): Observed {
  const { number } = received;
  const at = window.seen.findIndex((other) => other > number);
  const seen = at < 0 ? [...window.seen, number] : window.seen.toSpliced(at, 0, number);
  const boot = Math.max(window.boot, received.boot);
  const givenUp = without(window.givenUp, number);
  const raised = settle({ ...window, boot, seen, givenUp });
  const above = raised.seen.filter((other) => other > raised.low);
  const excess = above[above.length - AGENT_LIMITS.sequenceSparse - 1];
  const { window: sparse, lost } =
    excess === undefined ? { window: raised, lost: [] } : giveUp(raised, excess);
  const bounded = withParts(sparse, AGENT_LIMITS.sequenceParts);
  return { window: bounded.window, lost: [...lost, ...bounded.lost] };
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
  // What was said again by this run, of those before it, came here.
  const shared = new Set([...of.seen.filter((number) => number <= last), ...window.seen]);
  const seen = [...shared].toSorted((a, b) => a - b);
  const givenUp = of.givenUp
    .filter(({ from }) => from <= last)
    .map(({ from, to }) => ({ from, to: Math.min(to, last) }));
  const joint = settle({ ...window, low: Math.min(of.low, last), seen, givenUp, parent });
  const { window: forked } = giveUp(joint, window.low);
  return withParts(forked, AGENT_LIMITS.sequenceParts).window;
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
  for (const number of window.seen) if (number === low + 1) low = number;
  const recent = window.seen.filter((number) => number <= low).length;
  const drop = Math.max(0, recent - AGENT_LIMITS.sequenceRecent);
  return { ...window, low, seen: drop === 0 ? window.seen : window.seen.slice(drop) };
}

/** The holes between the mark and the highest number seen, lowest first. */
export function missing(window: SequenceWindow, max: number): SequenceRange[] {
  const holes: SequenceRange[] = [];
  let next = window.low + 1;
  for (const number of window.seen) {
    if (number < next) continue;
    if (number > next && holes.length < max) holes.push({ from: next, to: number - 1 });
    next = number + 1;
  }
  return holes;
}

/** The highest number seen or settled. */
export function highest(window: SequenceWindow): number {
  return Math.max(window.low, window.seen.at(-1) ?? 0);
}

/** The highest number seen or settled before this one, which was seen last. */
export function highestBefore({ low, seen }: SequenceWindow, number: number): number {
  const other = seen.findLast((one) => one !== number) ?? 0;
  return Math.max(low === number ? number - 1 : low, other);
}

/** The parts of a window in which a number is seen, ascending. */
export function partsOf({ seen }: SequenceWindow): readonly number[] {
  return [...new Set(seen.map(partOf))];
}

/** The part that a number is in. */
export function partOf(number: number): number {
  return Math.floor(number / PART_NUMBERS);
}

/** The window with at most so many parts; the lowest go, with what is missing in them. */
export function withParts(window: SequenceWindow, most: number): Observed {
  const parts = partsOf(window);
  if (parts.length <= most) return { window, lost: [] };
  const first = parts[parts.length - most];
  const kept = first === undefined ? highest(window) + 1 : first * PART_NUMBERS;
  const { window: raised, lost } = giveUp(window, kept - 1);
  return { window: { ...raised, seen: raised.seen.filter((number) => number >= kept) }, lost };
}

/** The window with at most so many numbers above its mark; the lowest go. */
export function withSparse(window: SequenceWindow, most: number): SequenceWindow {
  const above = window.seen.filter((number) => number > window.low);
  const excess = above[above.length - Math.max(0, most) - 1];
  return excess === undefined ? window : giveUp(window, excess).window;
}

/** The window with at most so many ranges that were given up; the lowest go. */
export function withGivenUp(window: SequenceWindow, most: number): SequenceWindow {
  const excess = window.givenUp.length - Math.max(0, most);
  return excess <= 0 ? window : { ...window, givenUp: window.givenUp.slice(excess) };
}

/** The window with what was said of the runs before its parent, if there are at most so many. */
export function withBefore(window: SequenceWindow, most: number): SequenceWindow {
  const { parent } = window;
  if (parent === null || parent.before.length <= Math.max(0, most)) return window;
  return { ...window, parent: { ...parent, before: [] } };
}

/** Numbers above the mark. */
export function sparseOf({ seen, low }: SequenceWindow): number {
  return seen.filter((number) => number > low).length;
}

export function writeWindow(row: RowWriter, window: SequenceWindow): void {
  row.u32(window.since).fixed(window.instance).u32(window.boot).varint(window.low);
  writeSeen(row, window);
  let before = 0;
  row.list(window.givenUp, ({ from, to }) => {
    row.varint(from - before).varint(to - from);
    before = to;
  });
  row.optional(window.parent?.instance ?? null).varint(window.parent?.from ?? 0);
  row.list(window.parent?.before ?? [], (link) => writeLink(row, link));
}

export function writeLink(row: RowWriter, { instance, number }: RunLink): void {
  row.fixed(instance).varint(number);
}

export function readLink(row: RowReader): RunLink {
  return { instance: row.fixed(16), number: row.varint() };
}

/** Each part as what it is above the one before, and a bitmap. */
function writeSeen(row: RowWriter, window: SequenceWindow): void {
  const bitmaps = new Map<number, Uint8Array>();
  for (const number of window.seen) {
    const part = partOf(number);
    const bits = bitmaps.get(part) ?? new Uint8Array(BITMAP_BYTES);
    const bit = number % PART_NUMBERS;
    bits[bit >>> 3] = (bits[bit >>> 3] ?? 0) | (1 << (bit & 7));
    bitmaps.set(part, bits);
  }
  let before = 0;
  row.list([...bitmaps], ([part, bits]) => {
    row.varint(part - before).fixed(bits);
    before = part;
  });
}

function readSeen(row: RowReader): readonly number[] {
  let part = 0;
  const parts = row.list(() => {
    part += row.varint();
    const [first, bits] = [part * PART_NUMBERS, row.fixed(BITMAP_BYTES)];
    return Array.from({ length: PART_NUMBERS }, (_, bit) =>
      ((bits[bit >>> 3] ?? 0) & (1 << (bit & 7))) === 0 ? [] : [first + bit],
    ).flat();
  });
  return parts.flat();
}

function readGivenUp(row: RowReader): readonly SequenceRange[] {
  let before = 0;
  return row.list(() => {
    const from = before + row.varint();
    before = from + row.varint();
    return { from, to: before };
  });
}

/** Reads a window back as a version of the peer's row from 8 on has it. */
export function readWindow(row: RowReader, version: number): SequenceWindow {
  const window = {
    since: row.u32(),
    instance: row.fixed(16),
    boot: row.u32(),
    low: row.varint(),
    seen: readSeen(row),
    givenUp: readGivenUp(row),
  };
  const instance = row.optional(16);
  const from = row.varint();
  const before = version < 10 ? [] : row.list(() => readLink(row));
  return { ...window, parent: instance === null ? null : { instance, from, before } };
}

/** A number that was received, and the beginning of its msgId. */
export interface SeenNumber {
  readonly number: number;
  readonly tag: Uint8Array;
}

/** What an earlier version kept in the peer's row. */
export interface FormerWindow {
  readonly window: SequenceWindow;
  readonly tags: readonly SeenNumber[];
}

/**
 * Reads a window of an earlier version, which held the beginnings of msgIds too. In the first one
 * there was one identity only, until the third one nothing was remembered of what was given up,
 * until the fifth one nothing was known of runs, until the seventh one numbers took more bytes.
 */
export function readFormerWindow(row: RowReader, version: number): FormerWindow {
  const since = version === 1 ? 1 : row.u32();
  const instance = row.fixed(16);
  const known = { since, instance, boot: row.u32(), low: row.u64() };
  const tags = readTags(row, version);
  const givenUp = version < 3 ? [] : row.list(() => ({ from: row.u64(), to: row.u64() }));
  const run = version < 5 ? null : row.optional(16);
  const from = version < 5 ? 0 : row.u64();
  const parent = run === null ? null : { instance: run, from, before: [] };
  const window = { ...known, seen: tags.map(({ number }) => number), givenUp, parent };
  return { window, tags };
}

function readTags(row: RowReader, version: number): readonly SeenNumber[] {
  let before = 0;
  return row.list(() => {
    before = version < 7 ? row.u64() : before + row.varint();
    const tag = row.fixed(version < 7 ? FORMER_TAG_BYTES : TAG_BYTES);
    return { number: before, tag: tag.slice(0, TAG_BYTES) };
  });
}
