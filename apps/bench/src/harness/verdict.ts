/**
 * What the samples say: each contender's summary, ours as a ratio to it, and whether a target is
 * reached. Owns the judgement; how it looks is `table`'s and the document's.
 */
import { OURS } from './bench.js';
import type { Measure, Target } from './bench.js';
import type { CaseResult } from './results.js';
import { ratiosOf, summaryOf } from './statistics.js';
import type { Summary } from './statistics.js';

/** One line of a table. */
export interface Line {
  readonly measure: Measure;
  readonly label: string;
  readonly version: string;
  readonly durability: string;
  readonly value: Summary | null;
  /** Ours divided by this contender's, round by round; null for ours itself and on a curve. */
  readonly ratio: Summary | null;
  readonly target: Judged | null;
  readonly absent: string | null;
}

/** A target and whether it is reached. */
export interface Judged {
  readonly text: string;
  readonly reached: boolean;
  /** How far: 1 is just reached, more is better. */
  readonly margin: number;
}

/** All lines of one case, measure by measure. */
export function linesOf(result: CaseResult): Line[] {
  return result.measures.flatMap((measure) =>
    result.contenders.map((contender) => {
      const samples = contender.samples?.[measure.name] ?? null;
      const value = samples === null ? null : summaryOf(samples);
      const ratio = samples === null ? null : ratioOf(result, contender.id, measure.name);
      const { label, version = '', durability = '', absent = null } = contender;
      const target = judge(result, contender.id, { measure, value, ratio });
      return { measure, label, version, durability, value, ratio, target, absent };
    }),
  );
}

function ratioOf(result: CaseResult, id: string, measure: string): Summary | null {
  const ours = result.contenders.find((contender) => contender.id === OURS)?.samples?.[measure];
  const theirs = result.contenders.find((contender) => contender.id === id)?.samples?.[measure];
  if (id === OURS || ours === undefined || theirs === undefined) return null;
  return summaryOf(ratiosOf(ours, theirs));
}

function judge(
  { targets }: CaseResult,
  id: string,
  { measure, value, ratio }: Pick<Line, 'measure' | 'value' | 'ratio'>,
): Judged | null {
  const against = id === OURS ? null : id;
  const target = targets.find((one) => one.measure === measure.name && one.against === against);
  const figure = against === null ? value : ratio;
  if (target === undefined || figure === null) return null;
  const margin = marginOf(target, figure.median);
  const unit = against === null ? ` ${measure.unit}` : ' ×';
  const text = target.atMost === undefined ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`;
  return { text: text + unit, reached: margin >= 1, margin };
}

function marginOf({ atMost, atLeast }: Target, figure: number): number {
  if (atMost !== undefined) return atMost / figure;
  return figure / (atLeast ?? Number.NaN);
}
