/**
 * The command line of the simulation: many seeds, or one again. Owns options, progress and the
 * report of a failure; what a run is, `run` knows.
 */
import { parseArgs } from 'node:util';
import { FAULTS } from './faults.js';
import type { FaultName } from './faults.js';
import { run } from './run.js';
import type { RunResult } from './run.js';

const HELP = `Runs simulated agents and a hub through everything that can go wrong.

  --seeds N         how many seeds (default 1000)
  --from N          the first of them (default 1)
  --seed N          this one alone; the same seed and options give the same run
  --max-agents N    most agents of one run, 3 or more (default 20)
  --faults a,b,…    only these: ${Object.keys(FAULTS).join(', ')}; or none
  --rotate          agents change their identities, too
  --calls           agents ask each other, too
  --trace           print every event
  --keep-going      go on after a seed that failed
  --help            this text

Exits with 1 if a seed failed, with 2 if an option is wrong.
`;

const PROGRESS_SEEDS = 100;

interface Settings {
  readonly from: number;
  readonly to: number;
  readonly maxAgents: number;
  readonly faults: readonly FaultName[] | undefined;
  readonly rotate: boolean;
  readonly calls: boolean;
  readonly trace: boolean;
  readonly keepGoing: boolean;
}

/** Returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const settings = settingsOf(args);
  if (settings === null) return write(HELP, 0);
  if (typeof settings === 'string') return write(`${settings}\n\n${HELP}`, 2);
  let failed = 0;
  let [sayings, events] = [0, 0];
  for (let seed = settings.from; seed < settings.to; seed++) {
    const result = await runOne(seed, settings);
    sayings += result.sayings;
    events += result.events;
    const done = seed - settings.from + 1;
    if (done % PROGRESS_SEEDS === 0) {
      write(`${done} seeds, ${failed} failed, ${sayings} messages, ${events} events\n`);
    }
    if (settings.to - settings.from === 1) write(`${JSON.stringify(shown(result))}\n`);
    if (result.violation === null) continue;
    failed += 1;
    report(result, args);
    if (!settings.keepGoing) break;
  }
  return write(failed === 0 ? 'all held\n' : `${failed} seeds failed\n`, failed === 0 ? 0 : 1);
}

function runOne(seed: number, { trace, ...settings }: Settings): Promise<RunResult> {
  const { maxAgents, faults, rotate, calls } = settings;
  const print = trace ? (line: string): void => void write(`${line}\n`) : undefined;
  return run({ seed, maxAgents, faults, rotate, calls, print });
}

function report({ seed, violation, lastLines, digest }: RunResult, args: readonly string[]): void {
  const kept = args.filter((arg, at) => {
    return !['--seeds', '--from', '--seed'].some((name) => arg === name || args[at - 1] === name);
  });
  write(`${lastLines.join('\n')}\n\nseed ${seed} failed: ${violation}\ntrace ${digest}\n`);
  write(`again: pnpm --filter @agentmesh/agent simulate --seed ${seed} ${kept.join(' ')}\n\n`);
}

function shown({ lastLines: _lines, ...rest }: RunResult): object {
  return rest;
}

/** The options; a text says what is wrong, null asks for help. */
function settingsOf(args: readonly string[]): Settings | string | null {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    const { values } = parseArgs({
      args: [...args].filter((arg) => arg !== '--'),
      options: {
        ...{ seeds: text, from: text, seed: text, 'max-agents': text, faults: text },
        ...{ rotate: flag, calls: flag, trace: flag, 'keep-going': flag, help: flag },
      },
    });
    if (values.help === true) return null;
    const from = numberOf(values.seed ?? values.from ?? '1');
    const count = values.seed === undefined ? numberOf(values.seeds ?? '1000') : 1;
    const maxAgents = numberOf(values['max-agents'] ?? '20');
    if (maxAgents < 3) return '--max-agents: 3 or more';
    const faults = faultsOf(values.faults);
    const { rotate = false, calls = false, trace = false } = values;
    const { 'keep-going': keepGoing = false } = values;
    return { from, to: from + count, maxAgents, faults, rotate, calls, trace, keepGoing };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function numberOf(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new RangeError(`not a number: ${text}`);
  return Number(text);
}

function faultsOf(list: string | undefined): readonly FaultName[] | undefined {
  if (list === undefined) return undefined;
  const names = list === 'none' ? [] : list.split(',');
  const unknown = names.find((name) => !Object.hasOwn(FAULTS, name));
  if (unknown !== undefined) throw new RangeError(`no such fault: ${unknown}`);
  return names as FaultName[];
}

function write(text: string, exitCode = 0): number {
  process.stdout.write(text);
  return exitCode;
}
