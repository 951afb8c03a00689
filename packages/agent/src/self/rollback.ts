/**
 * Whether this store went back in time, as its hub's answer shows (protocol.md §2.11 P6). Owns what
 * is committed after each answer: the hub's key, the opening that it has seen and, after a
 * rollback, a new run. The hub's answer is a claim: nothing that is durable here goes with it.
 */
import { equalBytes } from '@agentmesh/crypto';
import type { RandomSource } from '@agentmesh/crypto';
import type { StoreTimelines } from '@agentmesh/protocol';
import { ROW } from '../store/row-keys.js';
import type { AgentStore, StoreOperation } from '../store/store.js';
import { encodeMeta, isSameStore, nextRun } from './meta.js';
import type { Meta } from './meta.js';
import {
  decodeOpenings,
  encodeOpenings,
  isOfAnotherTime,
  isOfEarlierHub,
  unansweredIn,
  withAnswer,
} from './openings.js';
import type { Opening } from './openings.js';
import { encodeHistory, isOfOtherTime, vouchesFor } from './hub-timeline.js';
import { encodeLostTime } from './lost-time.js';
import { decodePrekeyState } from './prekeys.js';

/** What a hub says when it has taken an opening. */
export interface HubAnswer {
  readonly hubKey: Uint8Array;
  /** The opening that it saw before; null for the first one. */
  readonly last: Opening | null;
  /** Null where it does not say. */
  readonly history: StoreTimelines | null;
}

/** What lost some of its time, as far as an answer shows; `perhaps hub` may have lost none. */
export type WentBack = 'store' | 'hub' | 'perhaps hub' | null;

/** What follows from an answer. */
interface Answered {
  readonly meta: Meta;
  readonly wentBack: WentBack;
  /** When it was seen that this store has lost some time; null where it was not. */
  readonly lostUntilMs: number | null;
}

/**
 * What is written with a new run about what was sealed in openings that the hub never answered: it
 * never left, and its positions in chains may have been used in the time that was lost.
 */
export type Voiding = (boots: ReadonlySet<number>) => Promise<readonly StoreOperation[]>;

/**
 * The hub has taken the opening of `before`. If the one that it saw before is of another course of
 * time, the store went back: it begins a new run, committed before anything is sent under it. What
 * was sealed before and may have left is a repetition of the same bytes, and goes on. A hub that is
 * not the pinned one knows nothing of that. If the hub names an earlier opening than it had seen,
 * it is the hub that went back, and perhaps it did if its store does not go on from where we saw it
 * last: nothing changes here then.
 */
export async function commitAnswer(
  store: AgentStore,
  { hubKey, last, history }: HubAnswer,
  seen: {
    readonly before: Meta;
    readonly random: RandomSource;
    readonly nowMs: number;
    readonly voiding: Voiding;
  },
): Promise<Answered> {
  const { before, random, nowMs, voiding } = seen;
  const openings = decodeOpenings(await store.get(ROW.openings), before.instance);
  const pinned = await store.get(ROW.hub);
  // Without one this store was at no hub yet, unless in a time that it has lost.
  const isOurHub = pinned === null || equalBytes(pinned, hubKey);
  const isLater = last !== null && isSameStore(last.instance, before.instance);
  const timeline = await store.get(ROW.hubTimeline);
  const hubGoesOn = vouchesFor(timeline, history);
  const wentBack = isOurHub
    ? last !== null && isOfAnotherTime(openings, last, { meta: before, hubGoesOn })
    : isLater && last.boot > before.boot;
  const isEarlierHub = isOurHub && isOfEarlierHub(openings, last);
  const isOtherTime = isOurHub && isOfOtherTime(timeline, history);
  const meta = wentBack ? nextRun(before, await nextPrekeyIn(store), random) : before;
  // Another store of ours was there before this one was ever seen: its messages may come again.
  const isAnew = openings.shown === null && last !== null && !isLater;
  const lostUntilMs = isOurHub && (wentBack || isAnew) ? nowMs : null;
  await store.commit([
    { put: ROW.meta, value: encodeMeta(meta) },
    { put: ROW.openings, value: encodeOpenings(withAnswer(openings, before, { last, now: meta })) },
    { put: ROW.hub, value: hubKey },
    ...(history === null ? [] : [{ put: ROW.hubTimeline, value: encodeHistory(history) }]),
    ...(lostUntilMs === null ? [] : [{ put: ROW.lostTime, value: encodeLostTime(lostUntilMs) }]),
    ...(wentBack ? await voiding(unansweredIn(openings)) : []),
  ]);
  const whose = isEarlierHub ? 'hub' : isOtherTime ? 'perhaps hub' : null;
  return { meta, lostUntilMs, wentBack: wentBack ? 'store' : whose };
}

/** The number that the next prekey will have. */
export async function nextPrekeyIn(store: AgentStore): Promise<number> {
  const row = await store.get(ROW.prekeys);
  return row === null ? 0 : decodePrekeyState(row).nextId;
}
