/**
 * Randomness that can be repeated: for tests only, predictable by design. Owns one generator
 * (mulberry32); code that needs real randomness takes the system's.
 */
import type { RandomSource } from '@agentmesh/protocol';

/** The same seed gives the same bytes. */
export function seededRandom(seed: number): RandomSource {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return (length) => Uint8Array.from({ length }, () => next() >>> 24);
}
