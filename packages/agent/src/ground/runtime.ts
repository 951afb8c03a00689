/**
 * What an agent takes from the machine: clock, randomness, timers and the console. The one place of
 * this package that touches them; everything else is handed a {@link Runtime}.
 */
import { systemRandom } from '@agentmesh/crypto';
import type { RandomSource } from '@agentmesh/crypto';
import { monotonicClock, systemClock } from '@agentmesh/protocol';
import type { Clock } from '@agentmesh/protocol';

/** Handed in, so that the same inputs give the same outputs. */
export interface Runtime {
  /** Milliseconds since the epoch. */
  readonly now: Clock;
  /**
   * Milliseconds from anywhere that only rise and that nobody sets. Default where `now` is given:
   * `now` without its steps back.
   */
  readonly steady: Clock;
  readonly random: RandomSource;
  /** Runs a task once after a delay; the returned function cancels it. */
  schedule(delayMs: number, task: () => void): () => void;
  /**
   * Keeps the process running until the returned function is called. Timers of `schedule` do not;
   * where a page and no process goes on, there is nothing to do.
   */
  hold(): () => void;
}

/** Where an agent writes what an operator should read. Never keys, payloads or tokens. */
export interface Logger {
  debug(message: string, fields: LogFields): void;
  info(message: string, fields: LogFields): void;
  warn(message: string, fields: LogFields): void;
  error(message: string, fields: LogFields): void;
}

/** Names, codes and counts beside a log message. */
export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

/** The console of Node and of browsers. */
export const systemLogger: Logger = globalThis.console;

/** A timer's longest delay. */
const LONGEST_MS = 2 ** 31 - 1;

/** The machine itself. Waiting timers do not keep a Node process alive. */
export const systemRuntime: Runtime = {
  now: systemClock,
  steady: monotonicClock,
  random: systemRandom,
  schedule(delayMs, task) {
    let timer: unknown;
    // A timer with a longer delay would fire at once.
    const arm = (leftMs: number): void => {
      const stepMs = Math.min(leftMs, LONGEST_MS);
      timer = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : task()), stepMs);
      if (isUnrefable(timer)) timer.unref();
    };
    arm(delayMs);
    return () => clearTimeout(timer as Parameters<typeof clearTimeout>[0]);
  },
  hold() {
    const timer: unknown = setInterval(() => {}, LONGEST_MS);
    return () => clearInterval(timer as Parameters<typeof clearInterval>[0]);
  },
};

function isUnrefable(timer: unknown): timer is { unref(): void } {
  return typeof timer === 'object' && timer !== null && 'unref' in timer;
}
