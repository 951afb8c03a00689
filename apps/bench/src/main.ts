/**
 * `pnpm bench`: runs the named benches or all, prints tables, writes and compares results.
 * Owns the order of these steps and the exit code.
 */
import { execFileSync } from 'node:child_process';
import { join, relative } from 'node:path';
import process from 'node:process';

import { CATALOGUE } from './catalogue.js';
import { writeDocument } from './document/document.js';
import { BenchError } from './harness/bench-error.js';
import type { Bench } from './harness/bench.js';
import { changesText, compareResults } from './harness/compare.js';
import { loadNow, machineOf, revisionNow, ROOT } from './harness/machine.js';
import { profiled } from './harness/profile.js';
import { mergeResults, parseResults, readResults, writeResults } from './harness/results.js';
import type { BenchResult, Results } from './harness/results.js';
import { runCase } from './harness/rounds.js';
import { benchTable, machineLine } from './harness/table.js';
import { helpText, optionsOf } from './options.js';
import type { BenchOptions } from './options.js';

const RECORD = join(ROOT, 'docs', 'performance', 'results.json');
const NAMES = CATALOGUE.map(({ name }) => name);

async function main(): Promise<number> {
  const options = optionsOf(process.argv.slice(2), NAMES, RECORD);
  if (options.help) {
    console.log(helpText(CATALOGUE));
    return 0;
  }
  let exitCode = 0;
  if (!options.document || options.json !== null) exitCode = await measure(options);
  if (options.document) writeDocument();
  return exitCode;
}

async function measure(options: BenchOptions): Promise<number> {
  const chosen = CATALOGUE.filter(({ name, onlyByName = false }) =>
    options.names.length === 0 ? !onlyByName : options.names.includes(name),
  );
  const machine = machineOf();
  console.log(machineLine({ machine }));
  const benches: BenchResult[] = [];
  for (const bench of chosen) {
    const { profile: folder } = options;
    const result = await profiled({ folder, name: bench.name }, () => runBench(bench, options));
    console.log(benchTable(result));
    benches.push(result);
    // After each: what was measured is kept when a later one fails.
    if (options.json !== null) {
      const fresh = { machine, benches: [result] };
      writeResults(options.json, mergeResults(readResults(options.json), fresh, NAMES));
    }
  }
  return options.compare === null ? 0 : compareWith(options.compare, { machine, benches });
}

async function runBench(bench: Bench, options: BenchOptions): Promise<BenchResult> {
  const { rounds, quick, connections, minutes, profile: profileFolder } = options;
  const load = loadNow();
  const cases = [...(bench.elsewhere?.({ rounds, quick }) ?? [])];
  for (const theCase of bench.cases({ quick, connections, minutes, profileFolder })) {
    if (options.cases.length > 0 && !options.cases.includes(theCase.id)) continue;
    cases.push(await runCase(theCase, { rounds, onProgress: progress }));
  }
  progress('');
  const { name, title } = bench;
  const takenAt = new Date().toISOString();
  return { name, title, takenAt, revision: revisionNow(), load, quick, cases };
}

/** One line that overwrites itself; nothing where nobody watches. */
function progress(text: string): void {
  if (!process.stderr.isTTY) return;
  process.stderr.write(`\r\u001B[2K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`);
}

function compareWith(reference: string, now: Results): number {
  const path = relative(ROOT, RECORD);
  const text = execFileSync('git', ['show', `${reference}:${path}`], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  const changes = compareResults(parseResults(text, `${reference}:${path}`), now);
  console.log(`\nRatios at ${reference} → now\n${changesText(changes)}`);
  return changes.some(({ verdict }) => verdict === 'worse') ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof BenchError)) throw error;
  console.error(error.message);
  if (error.cause !== undefined) console.error(error.cause);
  process.exitCode = 1;
}
process.exit();
