/**
 * The machine's clock, for whoever does not hand in another. Owns the one look at it in this
 * package; everything else takes a `Clock`.
 */
import type { Clock } from '@agentmesh/protocol';

/** Milliseconds since the epoch. */
export const systemClock: Clock = () => Date.now();
