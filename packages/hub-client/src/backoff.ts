/**
 * How long to wait before the next try to connect: doubling, capped, with full jitter so that a
 * restarted hub is not stormed by all its agents at once. Owns the arithmetic; randomness is given.
 */
import type { RandomSource } from '@agentmesh/protocol';

/** Bounds of the waiting, in milliseconds. */
export interface BackoffLimits {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Wait before try `attempt` (0 = the first after a loss): between half and all of the step. */
export function backoffMs(attempt: number, limits: BackoffLimits, random: RandomSource): number {
  const step = Math.min(limits.maxMs, limits.firstMs * 2 ** Math.min(attempt, 30));
  const [high = 0, low = 0] = random(2);
  const share = (high * 256 + low) / 65_536;
  return Math.round(step * (0.5 + share / 2));
}
