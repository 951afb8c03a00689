/**
 * What happened in a run, in order: one line for each event that matters, hashed. Two runs are the
 * same run exactly if their hashes are equal. Owns the hash and the last lines, for a failure.
 */
import { createHash } from 'node:crypto';
import type { AgentOptions } from '../../src/index.js';
import type { Timeline } from './timeline.js';

/** A trace on a timeline; `print` gets every line. */
export class Trace {
  readonly #timeline: Timeline;
  readonly #print: ((line: string) => void) | null;
  readonly #hash = createHash('sha256');
  #last: string[] = [];
  lines = 0;

  constructor(timeline: Timeline, print: ((line: string) => void) | null) {
    this.#timeline = timeline;
    this.#print = print;
  }

  add(event: string): void {
    const line = `${this.#timeline.elapsedMs.toFixed(3).padStart(14)} ${event}`;
    this.#hash.update(line).update('\n');
    this.lines += 1;
    this.#print?.(line);
    this.#last.push(line);
    if (this.#last.length > 80) this.#last = this.#last.slice(-40);
  }

  /** How an agent logs: into what is printed, which is no part of the run. */
  logsOf(name: string): Pick<AgentOptions, 'logger' | 'logLevel'> {
    const print = this.#print;
    if (print === null) return { logLevel: 'silent' };
    const write = (message: string, fields: object): void =>
      print(`${' '.repeat(15)}${name}: ${message} ${JSON.stringify(fields)}`);
    return {
      logLevel: 'debug',
      logger: { debug: write, info: write, warn: write, error: write },
    };
  }

  get last(): readonly string[] {
    return this.#last.slice(-40);
  }

  digest(): string {
    return this.#hash.copy().digest('hex');
  }
}
