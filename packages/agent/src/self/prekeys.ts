/**
 * Which prekeys exist and which of them the hub should hold (protocol.md §2.2): numbers that are
 * never used twice, rotation, refill. Owns the judgement over ids and dates; the private halves are
 * rows of their own, and publishing is `publisher`'s.
 */
import { equalBytes, keyDigest, LIMITS } from '@agentmesh/crypto';
import type { RandomSource } from '@agentmesh/crypto';
import { AGENT_LIMITS } from '../ground/limits.js';
import { RowReader, RowWriter } from '../store/row-codec.js';

/** A signed prekey whose private half is kept. */
export interface SignedPrekeyEntry {
  readonly id: number;
  readonly createdMs: number;
  readonly expiresMs: number;
}

/** All that is remembered of prekeys beside their private halves. */
export interface PrekeyState {
  readonly nextId: number;
  /** Newest last. */
  readonly signed: readonly SignedPrekeyEntry[];
  /** One-time prekeys whose private halves may be kept, ascending. */
  readonly oneTime: readonly OneTimePrekeyEntry[];
}

/** A one-time prekey that was issued; the private half is deleted once it was used. */
export interface OneTimePrekeyEntry {
  readonly id: number;
  readonly createdMs: number;
  /** Given to the hub, which hands out the lowest first; others were handed over by hand. */
  readonly onHub: boolean;
}

/**
 * Numbers begin anywhere in the lower half of their range: after a lost store the new ones do not
 * meet those that peers may still hold of the old one.
 */
export function newPrekeyState(random: RandomSource): PrekeyState {
  const first = new DataView(random(4).slice().buffer).getUint32(0) >>> 1;
  return { nextId: Math.max(1, first), signed: [], oneTime: [] };
}

/**
 * The state of a store that perhaps went back in time: its next numbers may have been given to
 * other keys, which peers may hold. How many are skipped is chance, for it may happen again.
 */
export function skipIds(state: PrekeyState, random: RandomSource): PrekeyState {
  const skipped = new DataView(random(4).slice().buffer).getUint32(0) >>> 16;
  return { ...state, nextId: state.nextId + 1 + skipped };
}

/** The state after taking `count` numbers, and the first of them. */
export function takeIds(
  state: PrekeyState,
  count: number,
): { readonly state: PrekeyState; readonly first: number } {
  return { state: { ...state, nextId: state.nextId + count }, first: state.nextId };
}

export function newestSigned(state: PrekeyState): SignedPrekeyEntry | null {
  return state.signed.at(-1) ?? null;
}

/** Whether a new signed prekey is due: none yet, or the newest is 48 hours old. */
export function isRotationDue(state: PrekeyState, nowMs: number): boolean {
  const newest = newestSigned(state);
  return newest === null || nowMs - newest.createdMs >= LIMITS.signedPrekeyRotationMs;
}

/** Whether all prekeys are from before the store went back in time: those from there on are not. */
export function isOfLostTime(state: PrekeyState, prekeysFrom: number): boolean {
  return (newestSigned(state)?.id ?? prekeysFrom) < prekeysFrom;
}

/**
 * Whether a new signed prekey may come before its time: what makes it needed may be a hub's word,
 * and no private half goes for that while somebody may still use it.
 */
export function hasRoomForSigned(state: PrekeyState, nowMs: number): boolean {
  const { signedPrekeys, signedPrekeysInTurn } = AGENT_LIMITS;
  return livingSigned(state, nowMs).length < signedPrekeys - signedPrekeysInTurn;
}

function livingSigned({ signed }: PrekeyState, nowMs: number): readonly SignedPrekeyEntry[] {
  return signed.filter(({ expiresMs }) => nowMs <= expiresMs + LIMITS.clockToleranceMs);
}

/** The state with a new signed prekey; `dropped` are ids whose private halves go. */
export function withSigned(
  state: PrekeyState,
  entry: SignedPrekeyEntry,
  nowMs: number,
): { readonly state: PrekeyState; readonly dropped: readonly number[] } {
  const kept = [...livingSigned(state, nowMs), entry].slice(-AGENT_LIMITS.signedPrekeys);
  const dropped = state.signed.filter((old) => !kept.includes(old)).map(({ id }) => id);
  return { state: { ...state, signed: kept }, dropped };
}

/**
 * The state with new one-time prekeys. `replacing`: the hub forgets all earlier ones; their private
 * halves stay, since somebody may hold one already. `dropped` are ids beyond lifetime or bound.
 */
export function withOneTime(
  state: PrekeyState,
  issued: readonly OneTimePrekeyEntry[],
  { replacing, nowMs }: { readonly replacing: boolean; readonly nowMs: number },
): { readonly state: PrekeyState; readonly dropped: readonly number[] } {
  const lifetimeMs = LIMITS.oneTimePrekeyLifetimeMs + LIMITS.clockToleranceMs;
  const earlier = replacing
    ? state.oneTime.map((entry) => ({ ...entry, onHub: false }))
    : state.oneTime;
  const alive = earlier.filter(({ createdMs }) => nowMs - createdMs <= lifetimeMs);
  const kept = [...alive, ...issued].slice(-AGENT_LIMITS.oneTimePrekeysIssued);
  const ids = new Set(kept.map(({ id }) => id));
  const dropped = earlier.filter(({ id }) => !ids.has(id)).map(({ id }) => id);
  return { state: { ...state, oneTime: kept }, dropped };
}

function onHub(state: PrekeyState): number[] {
  return state.oneTime.filter((entry) => entry.onHub).map(({ id }) => id);
}

/** How many the hub can still hold, once `usedId` was used: it hands out the lowest first. */
export function remainingAfter(state: PrekeyState, usedId: number): number {
  return onHub(state).filter((id) => id > usedId).length;
}

/**
 * Whether the hub holds exactly what it should: our newest signed prekey and, of the one-time ones,
 * the highest `count`, since it hands out and forgets from the lowest on.
 */
export function agreesWithHub(
  state: PrekeyState,
  newestRecord: Uint8Array | null,
  hub: { readonly keyDigest: Uint8Array | null; readonly oneTimePrekeys: number },
): boolean {
  const count = hub.oneTimePrekeys;
  const given = onHub(state);
  if (newestRecord === null || hub.keyDigest === null || count > given.length) return false;
  const held = count === 0 ? [] : given.slice(-count);
  return equalBytes(keyDigest(newestRecord, held), hub.keyDigest);
}

const VERSION = 1;

export function encodePrekeyState(state: PrekeyState): Uint8Array {
  const row = new RowWriter().u8(VERSION).u32(state.nextId);
  row.list(state.signed, ({ id, createdMs, expiresMs }) =>
    row.u32(id).u64(createdMs).u64(expiresMs),
  );
  row.list(state.oneTime, (entry) => row.u32(entry.id).u64(entry.createdMs).flag(entry.onHub));
  return row.finish();
}

/** Reads a row back; throws STORE_CORRUPT. */
export function decodePrekeyState(bytes: Uint8Array): PrekeyState {
  const row = new RowReader(bytes, 'prekeys');
  if (row.u8() !== VERSION) row.fail();
  const nextId = row.u32();
  const signed = row.list(() => ({ id: row.u32(), createdMs: row.u64(), expiresMs: row.u64() }));
  const oneTime = row.list(() => ({ id: row.u32(), createdMs: row.u64(), onHub: row.flag() }));
  row.end();
  return { nextId, signed, oneTime };
}
