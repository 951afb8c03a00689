/**
 * What a run measured, as JSON: samples, versions, machine. Owns the file's form, and merging: a
 * bench that ran again replaces itself and nothing else. Everything that can be computed from the
 * samples is computed when it is shown, never stored.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import * as z from 'zod';

import { BenchError } from './bench-error.js';

const measure = z.strictObject({
  name: z.string(),
  unit: z.string(),
  better: z.literal(['lower', 'higher']),
});

const target = z.strictObject({
  measure: z.string(),
  against: z.string().nullable(),
  atMost: z.number().optional(),
  atLeast: z.number().optional(),
});

const contenderResult = z.strictObject({
  id: z.string(),
  label: z.string(),
  version: z.string().optional(),
  durability: z.string().optional(),
  /** Why it was not measured. */
  absent: z.string().optional(),
  samples: z.record(z.string(), z.array(z.number())).optional(),
});

const caseResult = z.strictObject({
  id: z.string(),
  title: z.string(),
  axis: z.string().optional(),
  measures: z.array(measure),
  targets: z.array(target),
  contenders: z.array(contenderResult),
});

const benchResult = z.strictObject({
  name: z.string(),
  title: z.string(),
  /** When, on which commit, and how busy the machine was before (load of one minute). */
  takenAt: z.string(),
  revision: z.string(),
  load: z.number(),
  quick: z.boolean(),
  cases: z.array(caseResult),
});

const results = z.strictObject({
  machine: z.strictObject({
    cpu: z.string(),
    cores: z.number(),
    memoryGiB: z.number(),
    system: z.string(),
    node: z.string(),
    disk: z.string(),
  }),
  benches: z.array(benchResult),
});

export type ContenderResult = Readonly<z.output<typeof contenderResult>>;
export interface CaseResult extends Omit<
  Readonly<z.output<typeof caseResult>>,
  'measures' | 'targets' | 'contenders'
> {
  readonly measures: readonly Readonly<z.output<typeof measure>>[];
  readonly targets: readonly Readonly<z.output<typeof target>>[];
  readonly contenders: readonly ContenderResult[];
}
export interface BenchResult extends Omit<Readonly<z.output<typeof benchResult>>, 'cases'> {
  readonly cases: readonly CaseResult[];
}
export interface Results {
  readonly machine: Readonly<z.output<typeof results>['machine']>;
  readonly benches: readonly BenchResult[];
}

/** Reads the text of a results file; BAD_FILE if it is none. */
export function parseResults(text: string, name: string): Results {
  try {
    return results.parse(JSON.parse(text));
  } catch (cause) {
    throw new BenchError('BAD_FILE', `${name} is not a file of results`, { cause });
  }
}

/** Null if there is no such file. */
export function readResults(path: string): Results | null {
  return existsSync(path) ? parseResults(readFileSync(path, 'utf8'), path) : null;
}

export function writeResults(path: string, value: Results): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(value, null, 1)}\n`);
}

/** The new benches replace those of the same name; `order` is that of the catalogue. */
export function mergeResults(
  old: Results | null,
  fresh: Results,
  order: readonly string[],
): Results {
  const byName = new Map((old?.benches ?? []).map((bench) => [bench.name, bench]));
  for (const bench of fresh.benches) byName.set(bench.name, bench);
  const benches = order.flatMap((name) => byName.get(name) ?? []);
  return { machine: fresh.machine, benches };
}
