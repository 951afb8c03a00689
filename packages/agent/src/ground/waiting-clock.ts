/**
 * Time for waits within one run: a clock that is set back makes no wait longer. Owns that one
 * correction; dates that are stored or shown are the plain clock's.
 */
import type { Clock } from '@agentmesh/protocol';

/** The clock without its steps back: what it reads only rises. */
export function waitingClock(source: Clock): Clock {
  let lastMs = source();
  let steppedBackMs = 0;
  return () => {
    const readingMs = source();
    steppedBackMs += Math.max(0, lastMs - readingMs);
    lastMs = readingMs;
    return readingMs + steppedBackMs;
  };
}
