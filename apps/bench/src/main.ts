/**
 * `pnpm bench`: runs the named benches or all, prints tables, writes and compares results.
 * Owns the order of these steps and the exit code.
 */
import { execFileSync } from 'node:child_process';
import { join, relative } from 'node:path';
import process from 'node:process';

import { CATALOGUE } from './catalogue.js';
import { writeDocument } from './document/document.js';
import { attemptCase } from './harness/attempt.js';
import { BenchError } from './harness/bench-error.js';
import type { Bench } from './harness/bench.js';
import { changesText, compareResults } from './harness/compare.js';
import { loadNow, machineOf, revisionNow, ROOT } from './harness/machine.js';
import { profiled } from './harness/profile.js';
import { Progress } from './harness/progress.js';
import { mergeResults, parseResults, readResults, writeResults } from './harness/results.js';
import type { BenchResult, CaseResult, Results } from './harness/results.js';
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
  const progress = new Progress();
  console.log(machineLine({ machine }));
  const run: Run = { options, progress, failures: [] };
  const benches: BenchResult[] = [];
  for (const bench of chosen) {
    const { profile: folder } = options;
    const result = await profiled({ folder, name: bench.name }, () => runBench(bench, run));
    console.log(benchTable(result));
    benches.push(result);
    // After each: what was measured is kept when a later one ends the run.
    if (options.json !== null) {
      const fresh = { machine, benches: [result] };
      writeResults(options.json, mergeResults(readResults(options.json), fresh, NAMES));
    }
  }
  console.log(`\nMeasured in ${progress.elapsed}.`);
  for (const failure of run.failures) console.error(`Not measured: ${failure}`);
  const isWorse =
    options.compare !== null && compareWith(options.compare, { machine, benches }) !== 0;
  return isWorse || run.failures.length > 0 ? 1 : 0;
}

/** What all benches of a run share. */
interface Run {
  readonly options: BenchOptions;
  readonly progress: Progress;
  /** Cases that failed, and why. */
  readonly failures: string[];
}

async function runBench(bench: Bench, { options, progress, failures }: Run): Promise<BenchResult> {
  const { rounds, quick, connections, minutes, smallCaches, profile } = options;
  const scale = { quick, connections, minutes, smallCaches, profileFolder: profile };
  const { name, title } = bench;
  const onProgress = (text: string): void => progress.tell(`${name}: ${text}`);
  const load = loadNow();
  onProgress('begins');
  const cases: CaseResult[] = [];
  try {
    cases.push(...(bench.elsewhere?.({ rounds, quick }) ?? []));
  } catch (error) {
    failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
  for (const theCase of bench.cases(scale)) {
    if (options.cases.length > 0 && !options.cases.includes(theCase.id)) continue;
    const { result, failure } = await attemptCase(theCase, { rounds, onProgress });
    cases.push(result);
    if (failure !== null) failures.push(`${name}: ${failure}`);
  }
  progress.clear();
  const takenAt = new Date().toISOString();
  return { name, title, takenAt, revision: revisionNow(), load, quick, cases };
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
