/**
 * `docs/performance.md`, its notes and its charts, from the recorded results. Owns what is between
 * the markers `<!-- bench: name -->` and `<!-- /bench -->`; the words around are written by hand.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { BenchError } from '../harness/bench-error.js';
import { ROOT } from '../harness/machine.js';
import { readResults } from '../harness/results.js';
import type { BenchResult, CaseResult, Results } from '../harness/results.js';
import { growthExponent, summaryOf } from '../harness/statistics.js';
import { figure, machineLine, rangeOf } from '../harness/table.js';
import { linesOf } from '../harness/verdict.js';
import type { Line } from '../harness/verdict.js';
import { chartOf } from './charts.js';
import { userTable } from './user-table.js';

const FOLDER = join(ROOT, 'docs');
/** What users read, and every measurement; charts are in the folder of the second. */
const PAGES = ['performance.md', join('performance', 'notes.md')] as const;
const BLOCK = /^<!-- bench: (\S+) -->\n[\s\S]*?^<!-- \/bench -->$/gm;

/** The files that results and the present document make, by their path. */
export function documentFiles(): Map<string, string> {
  const results = readResults(join(FOLDER, 'performance', 'results.json'));
  if (results === null) throw new BenchError('BAD_FILE', 'there are no recorded results');
  const files = new Map(
    PAGES.map((page) => {
      const path = join(FOLDER, page);
      return [path, filled(readFileSync(path, 'utf8'), results)];
    }),
  );
  for (const bench of results.benches) {
    const chart = chartOf(bench);
    if (chart !== null) files.set(join(FOLDER, 'performance', `${bench.name}.svg`), chart);
  }
  return files;
}

/** Writes them. */
export function writeDocument(): void {
  for (const [path, text] of documentFiles()) writeFileSync(path, text);
}

/** A document with its blocks written anew. */
export function filled(text: string, results: Results): string {
  return text.replaceAll(BLOCK, (_, name: string) => {
    const body = blockOf(name, results);
    return [
      `<!-- bench: ${name} -->`,
      '<!-- prettier-ignore-start -->',
      '',
      body,
      '',
      '<!-- prettier-ignore-end -->',
      '<!-- /bench -->',
    ].join('\n');
  });
}

function blockOf(name: string, results: Results): string {
  if (name === 'machine') return machineLine(results);
  if (name === 'user') return userTable(results);
  if (name === 'summary') return summaryTable(results);
  return benchBlock(name, results);
}

function benchBlock(name: string, results: Results): string {
  const bench = results.benches.find((one) => one.name === name);
  if (bench === undefined) return `Not measured yet: \`pnpm bench ${name} --record\`.`;
  const { takenAt, revision, load, title } = bench;
  const when = `Measured ${takenAt.slice(0, 10)} at ${revision}, load before ${load}.`;
  const chart = chartOf(bench) === null ? [] : [`![${title}](${name}.svg)`, ''];
  return [...chart, ...bench.cases.map(caseBlock), when].join('\n');
}

const HEAD =
  '| Measure | Contender | Median | Middle half | Ours ÷ this | Must reach |\n' +
  '| --- | --- | ---: | ---: | ---: | --- |';

function caseBlock(result: CaseResult): string {
  const lines = linesOf(result);
  const notes = result.contenders.flatMap(({ label, durability }) =>
    durability === undefined ? [] : [`${label}: ${durability}.`],
  );
  const durable = notes.length === 0 ? [] : [`Accepted means: ${notes.join(' ')}`, ''];
  const growth = result.axis === undefined ? [] : [growthLines(result), ''];
  const rows = [HEAD, ...lines.map(rowOf), ''];
  return [`**${result.title}**`, '', ...rows, ...growth, ...durable].join('\n');
}

function rowOf({ measure, label, version, value, ratio, target, absent }: Line): string {
  const name = `${label} ${version}`.trim();
  if (value === null) return `| ${measure.name} | ${name} | not measured: ${absent} | | | |`;
  const share = ratio === null ? '' : `**${figure(ratio.median)}** (${rangeOf(ratio)})`;
  const goal = target === null ? '' : `${target.text} ${target.reached ? '✓' : '**missed**'}`;
  const median = `${figure(value.median)} ${measure.unit}`;
  return `| ${measure.name} | ${name} | ${median} | ${rangeOf(value)} | ${share} | ${goal} |`;
}

/** One line for each target. */
function summaryTable(results: Results): string {
  const rows = results.benches.flatMap((bench) => bench.cases.flatMap((one) => goals(bench, one)));
  const head = '| Bench | Case | Against | Ours ÷ theirs, or ours | Must reach | |';
  return [head, '| --- | --- | --- | ---: | --- | --- |', ...rows].join('\n');
}

function goals(bench: BenchResult, result: CaseResult): string[] {
  return linesOf(result).flatMap(({ measure, label, value, ratio, target }) => {
    if (target === null || value === null) return [];
    const against = ratio === null ? '–' : label;
    const got = ratio === null ? `${figure(value.median)} ${measure.unit}` : figure(ratio.median);
    const mark = target.reached ? '✓' : '**missed**';
    const what = `${result.title}: ${measure.name}`;
    return [`| ${bench.name} | ${what} | ${against} | ${got} | ${target.text} | ${mark} |`];
  });
}

/** How each measure grows along the axis, by the best power law. */
function growthLines(result: CaseResult): string {
  const laws = result.measures.map(({ name }) => {
    const points = result.contenders.flatMap(({ id, samples }) => {
      const values = samples?.[name];
      return values === undefined ? [] : [[Math.max(1, Number(id)), summaryOf(values).median]];
    }) as [number, number][];
    const exponent = growthExponent(points);
    return `${name}: ${lawOf(exponent)} (exponent ${figure(exponent)})`;
  });
  return `Growth with ${result.axis}: ${laws.join('; ')}.`;
}

function lawOf(exponent: number): string {
  const laws = [
    { above: 1.2, name: 'faster than linear' },
    { above: 0.8, name: 'linear' },
    { above: 0.2, name: 'slower than linear' },
    { above: -0.2, name: 'constant' },
  ];
  return laws.find(({ above }) => exponent > above)?.name ?? 'falling';
}
