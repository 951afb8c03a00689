/**
 * Which openings of this store its hub may know of (protocol.md §2.11 P6). Owns the row and the
 * judgement whether the hub has seen one that this store knows nothing of: then the store went back
 * in time, or the hub lies.
 */
import { equalBytes } from '@agentmesh/crypto';
import { isSameStore } from './meta.js';
import type { Meta } from './meta.js';
import { RowReader, RowWriter } from '../store/row-codec.js';

/** One opening of one store. */
export interface Opening {
  readonly instance: Uint8Array;
  readonly boot: number;
}

/** What is remembered of our own openings. */
export interface Openings {
  /** The last one that the hub is known to have seen; null before the first time. */
  readonly shown: Opening | null;
  /** Those from then on, in whatever run: each may have reached the hub unknown to us. */
  readonly since: readonly Opening[];
  /** Earlier ones, the latest last: a hub that knows no later one has lost some of its own time. */
  readonly before: readonly Opening[];
  /** The last ones of other stores that the hub named to us: stores that we lost, or copies. */
  readonly others: readonly Opening[];
}

/**
 * Version 1 kept boots only: those of the instance that the store had. Version 2 kept no `before`,
 * version 3 no `others`.
 */
const VERSION = 4;
/** Openings without an answer of the hub that are remembered: one too few costs new sessions. */
const UNANSWERED = 64;
/** Earlier openings that are remembered: with one too few a restored hub costs new sessions. */
const EARLIER = 256;
/** Openings of other stores that are remembered. */
const OTHERS = 16;

/** Before the store was ever opened. */
export const NO_OPENINGS: Openings = { shown: null, since: [], before: [], others: [] };

/** One more opening, which the hub has not answered yet. */
export function withOpening({ since, ...openings }: Openings, now: Opening): Openings {
  return { ...openings, since: [...since, openingOf(now)].slice(-UNANSWERED) };
}

/**
 * The hub has answered this opening; `now` is what the store is from here on. `last`: the opening
 * that the hub had seen before, null for none.
 */
export function withAnswer(
  openings: Openings,
  shown: Opening,
  { last, now }: { readonly last: Opening | null; readonly now: Opening },
): Openings {
  const known = [
    ...openings.before,
    ...(openings.shown === null ? [] : [openings.shown]),
    ...openings.since,
  ];
  const before = known.filter((each) => !isSame(each, shown)).slice(-EARLIER);
  const isOther = last !== null && !isSame(last, shown) && !known.some((one) => isSame(one, last));
  const others = isOther ? [...openings.others, openingOf(last)].slice(-OTHERS) : openings.others;
  return { shown: openingOf(shown), since: [openingOf(now)], before, others };
}

/** Boots of the openings that the hub is not known to have answered. */
export function unansweredIn({ shown, since }: Openings): ReadonlySet<number> {
  const open = since.filter((opening) => shown === null || !isSame(opening, shown));
  return new Set(open.map(({ boot }) => boot));
}

function isSame(a: Opening, b: Opening): boolean {
  return a.boot === b.boot && equalBytes(a.instance, b.instance);
}

function openingOf({ instance, boot }: Opening): Opening {
  return { instance, boot };
}

/**
 * Whether the last opening that the hub saw is one of another course of time: one of this store
 * that is not remembered here, or one of a store that came after this one. One that the hub named
 * to us before came before us, unless the hub's own time goes on: then somebody else has our keys.
 */
export function isOfAnotherTime(
  { shown, since, before, others }: Openings,
  last: Opening,
  { meta, hubGoesOn }: { readonly meta: Pick<Meta, 'instance'>; readonly hubGoesOn: boolean },
): boolean {
  const isLast = (opening: Opening): boolean => isSame(opening, last);
  if (since.some(isLast) || before.some(isLast) || (shown !== null && isLast(shown))) return false;
  if (!hubGoesOn && others.some(isLast)) return false;
  if (isSameStore(last.instance, meta.instance)) return true;
  return shown !== null && !isSameStore(last.instance, shown.instance);
}

/**
 * Whether the last opening that the hub saw, null for none, is older than what it had seen: the hub
 * went back in time, and may have lost what it had accepted since.
 */
export function isOfEarlierHub({ shown, before, others }: Openings, last: Opening | null): boolean {
  if (last === null) return shown !== null;
  return [...before, ...others].some((opening) => isSame(opening, last));
}

export function encodeOpenings({ shown, since, before, others }: Openings): Uint8Array {
  const row = new RowWriter()
    .u8(VERSION)
    .optional(shown?.instance ?? null)
    .u32(shown?.boot ?? 0);
  const write = ({ instance, boot: number }: Opening): RowWriter => row.fixed(instance).u32(number);
  return row.list(since, write).list(before, write).list(others, write).finish();
}

/**
 * Reads the row back; throws STORE_CORRUPT. `ours`: the instance that wrote it, which version 1
 * does not repeat.
 */
export function decodeOpenings(bytes: Uint8Array | null, ours: Uint8Array): Openings {
  if (bytes === null) return NO_OPENINGS;
  const row = new RowReader(bytes, 'openings');
  const version = row.u8();
  if (version < 1 || version > VERSION) row.fail();
  const instance = row.optional(16);
  const boot = row.u32();
  const readInstance = (): Uint8Array => (version === 1 ? ours : row.fixed(16));
  const read = (): Opening => ({ instance: readInstance(), boot: row.u32() });
  const since = row.list(read);
  const before = version < 3 ? [] : row.list(read);
  const others = version < 4 ? [] : row.list(read);
  row.end();
  return { shown: instance === null ? null : { instance, boot }, since, before, others };
}
