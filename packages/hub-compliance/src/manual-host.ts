/**
 * A machine whose clock stands still until a test moves it. Owns the clock and the intervals; turns
 * of the event loop are real, so that promises and deferred tasks run by themselves.
 */
import { systemHost } from '@agentmesh/hub-local';
import type { HubHost } from '@agentmesh/hub-local';
import { seededRandom } from './seeded-random.js';

/** Long enough for whatever a hub does in one turn to come to rest. */
const TURNS_TO_REST = 12;
/** Steps in which time passes: a hub takes a longer one for a pause of its process. */
const STEP_MS = 1_000;

interface Interval {
  readonly everyMs: number;
  readonly task: () => void;
  dueMs: number;
}

/** A host for one hub or for several. */
export class ManualHost implements HubHost {
  readonly clock = (): number => this.#nowMs;
  readonly random = seededRandom(1);
  readonly #intervals = new Set<Interval>();
  #nowMs: number;

  constructor(startMs = 1_700_000_000_000) {
    this.#nowMs = startMs;
  }

  defer(task: () => void): void {
    systemHost.defer(task);
  }

  every(everyMs: number, task: () => void): () => void {
    const interval = { everyMs, task, dueMs: this.#nowMs + everyMs };
    this.#intervals.add(interval);
    return () => this.#intervals.delete(interval);
  }

  /** Moves the clock in small steps and lets everything come to rest after each. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    while (this.#nowMs < endMs) {
      this.#nowMs = Math.min(endMs, this.#nowMs + STEP_MS);
      this.#runIntervals();
      // Steps of time follow each other.
      await this.rest();
    }
  }

  /** Sets the clock in one step, as an operator or a waking machine does. */
  async jump(ms: number): Promise<void> {
    this.#nowMs += ms;
    for (let ticks = 0; ticks < 3; ticks++) {
      this.#nowMs += STEP_MS;
      this.#runIntervals();
      await this.rest();
    }
  }

  /** Lets deferred tasks and promises run until nothing is left to do. */
  async rest(): Promise<void> {
    for (let turn = 0; turn < TURNS_TO_REST; turn++) {
      await new Promise<void>((resolve) => {
        systemHost.defer(resolve);
      });
    }
  }

  #runIntervals(): void {
    for (const interval of this.#intervals) {
      if (interval.dueMs > this.#nowMs) continue;
      interval.dueMs = this.#nowMs + interval.everyMs;
      interval.task();
    }
  }
}
