/**
 * A machine and the processes that run on it, one after the other. Owns the machine's clock, which
 * may be wrong, and the end of a process: nothing that it waited for ever comes, and all that it
 * held in memory is gone.
 */
import type { RandomSource } from '@agentmesh/crypto';
import type { HubHost } from '@agentmesh/hub-local';
import type { Runtime } from '../../src/ground/runtime.js';
import type { Chance } from './chance.js';
import type { Timeline } from './timeline.js';

/** The client of a hub looks at its connection this often: work that may be late. */
const CLIENT_TICK_MS = 1_000;

export class Machine {
  readonly timeline: Timeline;
  /** How far its clock is ahead. */
  clockStepMs = 0;
  readonly #chance: Chance;
  #starts = 0;

  constructor(timeline: Timeline, chance: Chance) {
    this.timeline = timeline;
    this.#chance = chance;
  }

  now(): number {
    return Math.floor(this.timeline.nowMs + this.clockStepMs);
  }

  /** A new process; its randomness is that of no earlier one. */
  start(): Process {
    this.#starts += 1;
    return new Process(this, this.#chance.fork(`process ${this.#starts}`));
  }
}

export class Process {
  readonly machine: Machine;
  readonly chance: Chance;
  readonly random: RandomSource;
  #alive = true;

  constructor(machine: Machine, chance: Chance) {
    this.machine = machine;
    this.chance = chance;
    this.random = chance.fork('random').bytes;
  }

  get alive(): boolean {
    return this.#alive;
  }

  kill(): void {
    this.#alive = false;
  }

  readonly now = (): number => this.machine.now();

  /** Runs a task later, if the process still runs then. A timer is never early. */
  after(delayMs: number, task: () => void): () => void {
    return this.machine.timeline.after(delayMs, () => {
      if (this.#alive) task();
    });
  }

  /** Turns of its event loop come in the order of the calls. */
  defer(task: () => void): void {
    this.after(0, task);
  }

  /** Periodic work: less often while nothing else goes on. */
  every(intervalMs: number, task: () => void): () => void {
    let cancelled = false;
    const tick = (): void => {
      if (cancelled) return;
      task();
      this.after(this.#stretched(intervalMs), tick);
    };
    this.after(this.#stretched(intervalMs), tick);
    return () => {
      cancelled = true;
    };
  }

  /** What an agent takes from its machine. */
  runtime(): Runtime {
    const { now, random } = this;
    return {
      now,
      steady: () => this.machine.timeline.nowMs,
      random,
      schedule: (delayMs, task) => this.after(delayMs, task),
      hold: () => () => {},
    };
  }

  /** What a hub takes from its machine. */
  hubHost(): HubHost {
    return {
      clock: this.now,
      random: this.random,
      defer: (task) => this.defer(task),
      every: (intervalMs, task) => this.every(intervalMs, task),
    };
  }

  /** Timers of a hub's client. */
  clientTimer(delayMs: number, task: () => void): () => void {
    return this.after(delayMs === CLIENT_TICK_MS ? this.#stretched(delayMs) : delayMs, task);
  }

  #stretched(intervalMs: number): number {
    const { idleness } = this.machine.timeline;
    return idleness === 1 ? intervalMs : Math.max(intervalMs, CLIENT_TICK_MS) * idleness;
  }
}
