/**
 * Benches once more without the accelerator, in a process of their own: it is found when the crypto
 * package is loaded, and stays. Owns that process; what it measures is the bench's own.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import type { Bench, Target } from './bench.js';
import { BenchError } from './bench-error.js';
import { SCRATCH } from './machine.js';
import { readResults } from './results.js';
import type { CaseResult } from './results.js';

const PROGRAM = fileURLToPath(new URL('../main.js', import.meta.url));

/** It is a second look, at the same cases. */
const MOST_ROUNDS = 2;

/** Targets by the id of the case; other cases are left out. */
export type PlainTargets = Readonly<Record<string, readonly Target[]>>;

/** The same bench with these cases, where nothing native helps. */
export function withoutAccelerator(bench: Bench, targets: PlainTargets): Bench {
  const { name, title } = bench;
  return {
    name: `${name}-plain`,
    title: `${title}, without the accelerator`,
    cases: () => [],
    elsewhere: (options) => measure(name, targets, options),
  };
}

function measure(
  name: string,
  targets: PlainTargets,
  { rounds, quick }: { readonly rounds: number; readonly quick: boolean },
): readonly CaseResult[] {
  const folder = mkdtempSync(join(SCRATCH, 'agentmesh-plain-'));
  const file = join(folder, 'results.json');
  try {
    const cases = Object.keys(targets).flatMap((id) => ['--case', id]);
    const how = [
      '--json',
      file,
      '--rounds',
      String(Math.min(rounds, MOST_ROUNDS)),
      ...(quick ? ['--quick'] : []),
    ];
    // A case that fails there has no samples, and says why.
    spawnSync(process.execPath, [...process.execArgv, PROGRAM, name, ...cases, ...how], {
      env: { ...process.env, AGENTMESH_ACCELERATOR: 'off' },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const bench = readResults(file)?.benches.find((one) => one.name === name);
    if (bench === undefined) throw new BenchError('WRONG_RESULT', `${name} gave no results`);
    return bench.cases.map((one) => ({ ...one, targets: [...(targets[one.id] ?? [])] }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
