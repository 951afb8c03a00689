/**
 * When a lost session is made anew without being asked (protocol.md §2.10): at most one automatic
 * reset for a peer per hour, doubling to a day. Owns the budget and what is asked for again; a
 * frame that nobody can authenticate may provoke a reset, so the budget is the whole defence.
 */
import { LIMITS, parseMessage } from '@agentmesh/crypto';
import type { SequenceRange } from '@agentmesh/crypto';
import { AGENT_LIMITS } from '../ground/limits.js';
import { activeOf, currentWindow } from './peer.js';
import type { Peer } from './peer.js';
import { highest, missing } from './sequence-window.js';
import { findSession } from './sessions.js';

/** When and how often in a row a peer's session was reset. */
export type ResetState = Peer['reset'];

/** How long after the last reset the next one may come. */
function waitMs(count: number): number {
  return Math.min(AGENT_LIMITS.resetMs * 2 ** Math.max(0, count - 1), AGENT_LIMITS.resetMaxMs);
}

/** Whether a reset may be made now. A clock that was set back does not block for ever. */
export function mayReset({ atMs, count }: ResetState, nowMs: number): boolean {
  if (count === 0) return true;
  return nowMs - atMs >= waitMs(count) || nowMs < atMs - AGENT_LIMITS.resetMaxMs;
}

/** The state after a reset; after two days of peace the wait is short again. */
export function afterReset({ atMs, count }: ResetState, nowMs: number): ResetState {
  const calm = nowMs - atMs >= 2 * AGENT_LIMITS.resetMaxMs;
  return { atMs: nowMs, count: calm ? 1 : count + 1 };
}

/**
 * Whether a message that cannot be opened is in another session than the active one: then its
 * sender, or an agent that pretends to be it, may not know of that one.
 */
export function isOutOfStep(peer: Peer, wire: Uint8Array, epoch: number): boolean {
  const active = activeOf(peer, epoch);
  const used = findSession(peer.sessions, parseMessage(wire).sid);
  return active === null || (used !== undefined && used !== active);
}

/** All that a peer's current store may have sent and we have not: holes, and whatever follows. */
export function unreceived(peer: Peer, since: number): SequenceRange[] {
  const window = currentWindow(peer, since);
  if (window === null) return [{ from: 1, to: Number.MAX_SAFE_INTEGER }];
  const holes = missing(window, LIMITS.retryRanges - 1);
  return [...holes, { from: highest(window) + 1, to: Number.MAX_SAFE_INTEGER }];
}
