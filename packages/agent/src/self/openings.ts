/**
 * Which openings of this store its hub may know of (protocol.md §2.11 P6). Owns the row and the
 * judgement whether the hub has seen one that this store knows nothing of: then the store went back
 * in time, or the hub lies.
 */
import { equalBytes } from '@agentmesh/crypto';
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
  /** Boots of the current instance from then on: each may have reached the hub unknown to us. */
  readonly since: readonly number[];
}

const VERSION = 1;
/** Openings without an answer of the hub that are remembered: one too few costs new sessions. */
const UNANSWERED = 64;

/** Before the store was ever opened. */
export const NO_OPENINGS: Openings = { shown: null, since: [] };

/** One more opening, which the hub has not answered yet. */
export function withOpening({ shown, since }: Openings, { boot }: Meta): Openings {
  return { shown, since: [...since, boot].slice(-UNANSWERED) };
}

/** The hub has answered this opening; `now` is what the store is from here on. */
export function withAnswer(shown: Opening, now: Meta): Openings {
  return { shown: { instance: shown.instance, boot: shown.boot }, since: [now.boot] };
}

/**
 * Whether the last opening that the hub saw is one of another course of time: a later one of this
 * instance that is not remembered here, or one of a store that came after this one.
 */
export function isOfAnotherTime(openings: Openings, meta: Meta, last: Opening): boolean {
  const { shown, since } = openings;
  const isShown = shown !== null && equalBytes(shown.instance, last.instance);
  if (!equalBytes(last.instance, meta.instance)) return shown !== null && !isShown;
  return !since.includes(last.boot) && !(isShown && shown.boot === last.boot);
}

export function encodeOpenings({ shown, since }: Openings): Uint8Array {
  const row = new RowWriter()
    .u8(VERSION)
    .optional(shown?.instance ?? null)
    .u32(shown?.boot ?? 0);
  return row.list(since, (boot) => row.u32(boot)).finish();
}

/** Reads the row back; throws STORE_CORRUPT. */
export function decodeOpenings(bytes: Uint8Array | null): Openings {
  if (bytes === null) return NO_OPENINGS;
  const row = new RowReader(bytes, 'openings');
  if (row.u8() !== VERSION) row.fail();
  const instance = row.optional(16);
  const boot = row.u32();
  const since = row.list(() => row.u32());
  row.end();
  return { shown: instance === null ? null : { instance, boot }, since };
}
