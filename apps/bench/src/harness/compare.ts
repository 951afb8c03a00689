/**
 * A run against the committed one: whether a ratio or a memory figure has become worse by more than
 * both runs scatter. Owns that comparison; absolute times of two runs are never compared, since two
 * runs of the same code on a shared machine differ by a factor of two.
 */
import type { BenchResult, CaseResult, Results } from './results.js';
import { figure } from './table.js';
import { linesOf } from './verdict.js';
import type { Line } from './verdict.js';

/** Below this a change is not worth a word even where both runs are steady. */
const TOLERANCE = 0.1;

/** One ratio in both runs. */
export interface Change {
  readonly where: string;
  readonly before: number;
  readonly after: number;
  readonly verdict: 'better' | 'same' | 'worse';
}

/** Every ratio that both runs have. */
export function compareResults(old: Results, fresh: Results): Change[] {
  return fresh.benches.flatMap((bench) => {
    const before = old.benches.find(({ name }) => name === bench.name);
    return before === undefined ? [] : compareBenches(before, bench);
  });
}

function compareBenches(before: BenchResult, bench: BenchResult): Change[] {
  return bench.cases.flatMap((result) => {
    const old = before.cases.find(({ id }) => id === result.id);
    return old === undefined ? [] : compareCases(old, result, bench.name);
  });
}

function compareCases(old: CaseResult, result: CaseResult, bench: string): Change[] {
  const oldLines = linesOf(old);
  return linesOf(result).flatMap((line) => {
    const same = oldLines.find(
      ({ measure, label }) => measure.name === line.measure.name && label === line.label,
    );
    const where = `${bench}: ${result.title}: ${line.measure.name} against ${line.label}`;
    return same === undefined ? [] : compareLines(same, line, where);
  });
}

function compareLines(old: Line, line: Line, where: string): Change[] {
  if (old.ratio === null || line.ratio === null) return [];
  const { better } = line.measure;
  const [before, after] = [old.ratio.median, line.ratio.median];
  const gain = better === 'higher' ? after / before : before / after;
  const apart =
    gain > 1 === (better === 'higher')
      ? line.ratio.low > old.ratio.high
      : line.ratio.high < old.ratio.low;
  const changed = apart && Math.abs(Math.log(gain)) > Math.log1p(TOLERANCE);
  const verdict = !changed ? 'same' : gain > 1 ? 'better' : 'worse';
  return [{ where, before, after, verdict }];
}

/** The changes as text, the worse ones last. */
export function changesText(changes: readonly Change[]): string {
  const order = ['same', 'better', 'worse'];
  return changes
    .toSorted((a, b) => order.indexOf(a.verdict) - order.indexOf(b.verdict))
    .map(({ where, before, after, verdict }) =>
      `${verdict.padEnd(6)} ${figure(before)} → ${figure(after)}  ${where}`.trimEnd(),
    )
    .join('\n');
}
