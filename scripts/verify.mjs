/**
 * `npm test`: every check of the workspace, one after the other, on a machine where Node and pnpm
 * are there already (`bootstrap.mjs` sees to that). A failed step does not stop the later ones.
 * Random tests draw from a seed of the committed tree: every commit explores another corner, and
 * what is green here is not red elsewhere by chance.
 * The last line is always `N passed, N failed, N skipped`, summed over all packages.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { installArgs, runStep } from './steps.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);

const turbo = (...tasks) => ['pnpm', 'exec', 'turbo', 'run', ...tasks, '--continue', ...quiet];
const quiet = ['--output-logs=errors-only', '--no-update-notifier'];
const say = (text) => process.stdout.write(`${text}\n`);

const checks = [
  { name: 'build', command: turbo('build') },
  { name: 'type check', command: turbo('typecheck') },
  { name: 'lint', command: turbo('lint'), hint: 'pnpm --filter <package> lint --fix' },
  {
    name: 'format',
    command: ['pnpm', 'exec', 'prettier', '--check', '--cache', '--log-level', 'warn', '.'],
    hint: 'pnpm format',
  },
  { name: 'dead code', command: ['pnpm', 'exec', 'knip', '--cache', '--no-config-hints'] },
  { name: 'manifests', command: ['pnpm', 'exec', 'sherif', '--no-install'] },
  { name: 'API reports', command: turbo('api'), hint: 'pnpm api:update' },
  { name: 'packages', command: turbo('check:package') },
  { name: 'changesets', command: ['node', 'scripts/check-changesets.mjs'] },
];

/** The folders whose tests count: every workspace package that has a `test` script. */
function testedFolders() {
  const parents = ['packages', 'apps'].filter((parent) => existsSync(parent));
  const folders = parents.flatMap((parent) =>
    readdirSync(parent).map((name) => join(parent, name)),
  );
  return ['scripts', ...folders].filter((folder) => {
    const file = join(folder, 'package.json');
    return existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).scripts?.test !== undefined;
  });
}

/** Published vectors of others live outside the project; a clone without them says so. */
const isExcused = (title) => title.includes('[vectors folder absent');

const resultFile = (folder) => join(folder, 'test-results', 'jest.json');

/** Sums the result files; a package without one counts as a failure, never as silence. */
function sumResults(folders) {
  const total = { passed: 0, failed: 0, skipped: 0, unexcused: 0 };
  for (const folder of folders) {
    if (!existsSync(resultFile(folder))) {
      say(`${folder}: its tests did not run`);
      total.failed += 1;
      continue;
    }
    const result = JSON.parse(readFileSync(resultFile(folder), 'utf8'));
    for (const key of ['passed', 'failed', 'skipped']) total[key] += result[key];
    total.unexcused += result.skippedTitles.filter((title) => !isExcused(title)).length;
    for (const title of result.failedTitles) say(`failed: ${folder}: ${title}`);
    for (const title of result.skippedTitles) say(`skipped: ${folder}: ${title}`);
  }
  return total;
}

/** 31 bits of the name of the committed tree; undefined without git, and chance decides then. */
function seedOfTree() {
  const { status, stdout } = spawnSync('git', ['rev-parse', 'HEAD^{tree}'], { encoding: 'utf8' });
  return status === 0 ? String(Number.parseInt(stdout.slice(0, 8), 16) >>> 1) : undefined;
}

async function runTests() {
  process.env.GATE_SEED ??= seedOfTree();
  const folders = testedFolders();
  // Results of an earlier run must not be counted; turbo restores those of unchanged packages.
  for (const folder of folders) rmSync(resultFile(folder), { force: true });
  const command = ['pnpm', 'exec', 'turbo', 'run', 'test', '--continue', '--output-logs=new-only'];
  const { ok } = await runStep({ name: 'tests', command, show: true });
  return { ok, ...sumResults(folders) };
}

/** The names of the steps that failed, and the counts of the tests. */
async function runAll() {
  const failed = [];
  const none = { passed: 0, failed: 0, skipped: 0, unexcused: 0 };
  const install = { name: 'install', command: ['pnpm', ...installArgs()] };
  install.hint = 'is the npm registry reachable? Nothing else can run without the dependencies';
  if (!(await runStep(install)).ok) return { failed: ['install'], tests: none };
  for (const step of checks) {
    const { ok, interrupted } = await runStep(step);
    if (interrupted) return { failed: [`${step.name} (interrupted)`], tests: none };
    if (!ok) failed.push(step.name);
  }
  const tests = await runTests();
  if (!tests.ok || tests.failed > 0) failed.push('tests');
  if (process.env.CI && tests.unexcused > 0) failed.push('no skipped tests in CI');
  return { failed, tests };
}

const { failed, tests } = await runAll();
say(failed.length === 0 ? 'All steps passed.' : `FAILED steps: ${failed.join(', ')}`);
say(`${tests.passed} passed, ${tests.failed} failed, ${tests.skipped} skipped`);
process.exitCode = failed.length === 0 ? 0 : 1;
