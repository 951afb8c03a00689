/**
 * What agents write down while they run, one line each, in files that outlive them: the evidence of
 * a run. Owns the shapes of the lines and their files; what they must add up to is `oracle`'s.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
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
    }
  | { readonly what: 'event'; readonly name: string; readonly detail: string }
);

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
  return Math.floor(performance.timeOrigin + performance.now());
}

function fileOf(folder: string, name: string): string {
  return join(folder, `${name}.jsonl`);
}

/** Adds a line at once: a process that is killed later has written it. */
export function note(folder: string, name: string, entry: Unstamped<Entry>): void {
  appendFileSync(fileOf(folder, name), `${JSON.stringify({ ms: nowMs(), ...entry })}\n`);
}

/** All lines of one agent, in their order; a last line that was cut is left out. */
export function entriesOf(folder: string, name: string): Entry[] {
  const file = fileOf(folder, name);
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.slice(0, -1).map((line) => JSON.parse(line) as Entry);
}
