/**
 * What a hub takes from the machine it runs on: clock, randomness and turns of the event loop.
 * Owns the interface and its default; everything else in this package is handed a `HubHost`.
 */
import { systemClock, systemRandom } from '@agentmesh/protocol';
import type { Clock, RandomSource } from '@agentmesh/protocol';

/** Handed in, so that the same inputs give the same outputs. */
export interface HubHost {
  readonly clock: Clock;
  readonly random: RandomSource;
  /** Runs a task after the current turn of the event loop, in the order of the calls. */
  defer(task: () => void): void;
  /** Runs a task again and again until the returned function is called. */
  every(intervalMs: number, task: () => void): () => void;
}

interface Immediate {
  setImmediate?: (task: () => void) => unknown;
}

const { setImmediate } = globalThis as Immediate;

/** The machine itself. Its intervals do not keep a Node process alive. */
export const systemHost: HubHost = {
  clock: systemClock,
  random: systemRandom,
  defer(task) {
    if (setImmediate === undefined) setTimeout(task, 0);
    else setImmediate(task);
  },
  every(intervalMs, task) {
    const timer: unknown = setInterval(task, intervalMs);
    if (isUnrefable(timer)) timer.unref();
    return () => clearInterval(timer as Parameters<typeof clearInterval>[0]);
  },
};

function isUnrefable(timer: unknown): timer is { unref(): void } {
  return typeof timer === 'object' && timer !== null && 'unref' in timer;
}
