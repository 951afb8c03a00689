/**
 * Time as timeouts and rates see it. Owns one correction to the clock that is handed in: steps back
 * and long steps forward do not count. A clock that is set, a suspended machine or a stopped
 * process would otherwise make every connection look silent, although nobody could be heard.
 */
import type { Clock } from './clock.js';

/** A longer step between two readings is taken for a pause of the process or a set clock. */
const LONGEST_STEP_MS = 5_000;

/** Milliseconds since it was made; they only rise. To be read at least every few seconds. */
export class SteadyClock {
  readonly #source: Clock;
  #last: number;
  #elapsed = 0;

  constructor(source: Clock) {
    this.#source = source;
    this.#last = source();
  }

  now(): number {
    const reading = this.#source();
    this.#elapsed += Math.min(Math.max(reading - this.#last, 0), LONGEST_STEP_MS);
    this.#last = reading;
    return this.#elapsed;
  }
}
