/**
 * The revision with which an identity record begins (protocol.md §2.1): it follows the clock, so
 * that an agent that has lost its store does not begin below what it published before. Owns the
 * rule and where it ends; later records of one store count on from the one before.
 */

import { LIMITS } from '@agentmesh/crypto';

/** Seconds until the year 2105: above it 16 million revisions are left to be counted. */
const LAST_OF_CLOCK = 0xff00_0000;

/** The times of a record that is signed now; its revision is `atLeast` what is given. */
export function recordTimes(createdMs: number, atLeast = 0) {
  const validUntilMs = createdMs + LIMITS.identityRecordLifetimeMs;
  return { createdMs, validUntilMs, revision: Math.max(atLeast, revisionAt(createdMs)) };
}

/**
 * No record is signed above this because a hub refuses those below: whoever lies so would use the
 * revisions up. It leaves room for a clock that was ahead by a day and a half.
 */
export function revisionCeiling(nowMs: number): number {
  return Math.min(revisionAt(nowMs) + 2 ** 17, 0xffff_ffff);
}

function revisionAt(nowMs: number): number {
  return Math.min(Math.max(0, Math.floor(nowMs / 1000)), LAST_OF_CLOCK);
}
