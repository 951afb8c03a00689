/**
 * What agents write down while they run, one line each, in files that outlive them: the evidence of
 * a run. Owns the shapes of the lines and their files; what they must add up to is `oracle`'s.
 */
import { appendFileSync, closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';

/** A line of one agent's ledger. `ms`: milliseconds of the machine's clock. */
export type Entry = { readonly ms: number } & (
  | { readonly what: 'began'; readonly to: string; readonly n: number }
  | { readonly what: 'accepted'; readonly to: string; readonly n: number; readonly id: string }
  | {
      readonly what: 'rejected';
      readonly to: string;
      readonly n: number;
      readonly code: string;
      readonly kept: boolean;
    }
  | { readonly what: 'delivered'; readonly id: string }
  /** The sender was told how it ended: `state` of the event `outgoing`. */
  | { readonly what: 'told'; readonly id: string; readonly state: string }
  | {
      readonly what: 'handled';
      readonly from: string;
      readonly n: number;
      readonly id: string;
      readonly redelivered: boolean;
      readonly late: boolean;
      /** When its handler began; earlier builds do not say. */
      readonly beganMs?: number;
    }
  /** It could not be created, and its owner has to look. */
  | { readonly what: 'not started'; readonly code: string }
  | { readonly what: 'event'; readonly name: string; readonly detail: string }
);

/** Between an agent's name and the number of a copy of it that has a ledger of its own. */
export const TWIN = '-twin-';

/** A line of the run itself. */
export interface Deed {
  readonly ms: number;
  readonly fault: string;
  /** Agent or hub. */
  readonly whom: string;
  /** Of a restore: when what was put back had been copied. */
  readonly sinceMs?: number;
}

/** Without the time, which is added. */
type Unstamped<T> = T extends unknown ? Omit<T, 'ms'> : never;

export function nowMs(): number {
  return Math.floor(exactMs());
}

/** With parts of a millisecond, to tell what came first. */
export function exactMs(): number {
  return performance.timeOrigin + performance.now();
}

function fileOf(folder: string, name: string): string {
  return join(folder, `${name}.jsonl`);
}

/** Adds a line at once: a process that is killed later has written it. */
export function note(folder: string, name: string, entry: Unstamped<Entry>): void {
  appendFileSync(fileOf(folder, name), `${JSON.stringify({ ms: nowMs(), ...entry })}\n`);
}

/** What is no evidence but explains it; `told` in a file of its own. */
export function log(folder: string, name: string, told: string): void {
  appendFileSync(join(folder, `${name}.log`), `${nowMs()} ${told}\n`);
}

/** The ledger of one agent as it grows. */
export class Ledger {
  readonly #file: string;
  readonly #entries: Entry[] = [];
  #read = 0;
  #rest = '';

  constructor(folder: string, name: string) {
    this.#file = fileOf(folder, name);
  }

  /** All lines so far, in their order; a last line that was cut is left out. */
  entries(): readonly Entry[] {
    if (!existsSync(this.#file)) return this.#entries;
    const file = openSync(this.#file, 'r');
    const bytes = Buffer.alloc(fstatSync(file).size - this.#read);
    this.#read += readSync(file, bytes, 0, bytes.length, this.#read);
    closeSync(file);
    const lines = `${this.#rest}${bytes.toString('latin1')}`.split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#entries.push(JSON.parse(line) as Entry);
    return this.#entries;
  }
}
