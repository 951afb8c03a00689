/**
 * Results as a table on the terminal.
 * Owns layout and how numbers are written; judges nothing.
 */
import type { BenchResult, CaseResult, Results } from './results.js';
import type { Summary } from './statistics.js';
import { linesOf } from './verdict.js';
import type { Line } from './verdict.js';

const HEAD = ['measure', 'contender', 'median', 'middle half', 'ours ÷ this', 'must reach', ''];

/** All lines of a bench, ready to print. */
export function benchTable(bench: BenchResult): string {
  const cases = bench.cases.map(caseTable).join('\n');
  const quick = bench.quick ? '  (quick run: these figures are not to be quoted)' : '';
  return `\n${bench.title}${quick}\n${cases}`;
}

function caseTable(result: CaseResult): string {
  const lines = linesOf(result);
  const rows = [HEAD, ...lines.map(cellsOf)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const text = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const durable = result.contenders.filter((contender) => contender.durability !== undefined);
  const notes = durable.map(({ label, durability }) => `    ${label}: ${durability}`);
  return [`  ${result.title}`, ...text.map((line) => `    ${line}`), ...notes].join('\n');
}

function cellsOf(line: Line): string[] {
  const { measure, label, version, value, ratio, target, absent } = line;
  const name = version === '' ? label : `${label} ${version}`;
  if (value === null) return [measure.name, name, 'not measured', absent ?? '', '', '', ''];
  const ratioText = ratio === null ? '' : `${figure(ratio.median)} (${rangeOf(ratio)})`;
  const mark = target === null ? '' : target.reached ? 'reached' : 'MISSED';
  const median = `${figure(value.median)} ${measure.unit}`;
  return [measure.name, name, median, rangeOf(value), ratioText, target?.text ?? '', mark];
}

export function rangeOf({ low, high }: Summary): string {
  return `${figure(low)} – ${figure(high)}`;
}

/** Three digits, with thousands marked. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(3)));
}

/** One line about the machine. */
export function machineLine({ machine }: Pick<Results, 'machine'>): string {
  const { cpu, cores, memoryGiB, system, node, disk } = machine;
  return `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}, Node ${node}, ${disk}`;
}
