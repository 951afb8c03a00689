/**
 * `npm test`: every check of the workspace on a machine where Node and pnpm are there already
 * (`bootstrap.mjs` sees to that). A failed step does not stop the later ones, and says what mends
 * it. Random tests draw from a seed of the committed tree: every commit explores another corner,
 * and what is green here is not red elsewhere by chance.
 * The last line is always `N passed, N failed, N skipped`, summed over all packages.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { ensurePrograms, howToGet, TESTED } from './programs.mjs';
import { installArgs, runStep } from './steps.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);

const say = (text) => process.stdout.write(`${text}\n`);
const turbo = (...tasks) => ['pnpm', 'exec', 'turbo', 'run', ...tasks, '--continue', ...quiet];
const quiet = ['--output-logs=errors-only', '--no-update-notifier'];
/**
 * Many tests wait, for clocks, servers and processes that were killed: with so many packages at a
 * time the cores are busy all the same.
 */
const concurrency = Math.max(4, 2 * availableParallelism());

const install = {
  name: 'install',
  command: ['pnpm', ...installArgs()],
  hint: 'is the npm registry reachable? Nothing else can run without the dependencies',
};
const build = { name: 'build', command: turbo('build'), hint: 'pnpm build shows it again' };

/** Two queues that run beside each other and beside the tests. */
const checks = [
  [
    { name: 'type check', command: turbo('typecheck'), hint: 'pnpm typecheck shows it again' },
    { name: 'lint', command: turbo('lint:all'), hint: 'pnpm lint -- --fix mends some of it' },
    { name: 'API reports', command: turbo('api'), hint: 'pnpm api:update, then pnpm changeset' },
    {
      name: 'packages',
      command: turbo('check:packages'),
      hint: 'cd packages/<name> && pnpm check:package shows it again',
    },
  ],
  [
    {
      name: 'format',
      command: ['pnpm', 'exec', 'prettier', '--check', '--cache', '--log-level', 'warn', '.'],
      hint: 'pnpm format',
    },
    {
      name: 'dead code',
      command: ['pnpm', 'exec', 'knip', '--cache', '--no-config-hints'],
      hint: 'remove what is named, or name its entry in knip.json; pnpm exec knip shows it again',
    },
    {
      name: 'manifests',
      command: ['pnpm', 'exec', 'sherif', '--no-install'],
      hint: 'pnpm exec sherif --fix',
    },
    {
      name: 'changesets',
      command: ['node', 'scripts/check-changesets.mjs'],
      hint: 'pnpm changeset writes one',
    },
  ],
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

const resultFile = (folder) => join(folder, 'test-results', 'jest.json');

/** The command that repeats one failed test, with the seed of this run. */
function again(folder, { file, title }) {
  const seed = process.env.GATE_SEED === undefined ? '' : `FC_SEED=${process.env.GATE_SEED} `;
  const name = title
    .split(' › ')
    .at(-1)
    .replaceAll(/[^\w ,.:-]+/g, '.*');
  return `cd ${folder} && ${seed}pnpm test ${file} -t '${name}'`;
}

/** Sums the result files; a package without one counts as a failure, never as silence. */
function sumResults(folders) {
  const total = { passed: 0, failed: 0, skipped: 0, files: [] };
  for (const folder of folders) {
    if (!existsSync(resultFile(folder))) {
      say(`${folder}: its tests did not run\n  → cd ${folder} && pnpm test`);
      total.failed += 1;
      continue;
    }
    const result = JSON.parse(readFileSync(resultFile(folder), 'utf8'));
    for (const key of ['passed', 'failed', 'skipped']) total[key] += result[key];
    for (const test of result.failedTests) {
      say(`failed: ${folder}: ${test.title}\n  → ${again(folder, test)}`);
    }
    for (const { title } of result.skippedTests) say(`skipped: ${folder}: ${title}`);
    total.files.push(...result.files.map((entry) => ({ ...entry, folder })));
  }
  return total;
}

/** The files that took longest, for whoever asks where the time went. */
function sayLongest(files) {
  const longest = files.toSorted((one, other) => other.seconds - one.seconds).slice(0, 5);
  const named = longest.map(({ folder, file, seconds }) => `${folder}/${file} ${seconds} s`);
  if (named.length > 0) say(`Longest test files: ${named.join(', ')}`);
}

/** 31 bits of the name of the committed tree; undefined without git, and chance decides then. */
function seedOfTree() {
  const { status, stdout } = spawnSync('git', ['rev-parse', 'HEAD^{tree}'], { encoding: 'utf8' });
  return status === 0 ? String(Number.parseInt(stdout.slice(0, 8), 16) >>> 1) : undefined;
}

/** What tests need beside Node; what is missing is named with the way to get it. */
function findPrograms() {
  const found = ensurePrograms(TESTED);
  const missing = TESTED.filter((name) => found.get(name) === null);
  // Results of a machine without them must not come from turbo's cache on one that has them.
  const present = TESTED.filter((name) => found.get(name) !== null);
  process.env.AGENTMESH_PROGRAMS = [...present, process.getuid?.() === 0 ? 'root' : ''].join(' ');
  return missing;
}

async function runTests() {
  process.env.GATE_SEED ??= seedOfTree();
  const folders = testedFolders();
  // Results of an earlier run must not be counted; turbo restores those of unchanged packages.
  for (const folder of folders) rmSync(resultFile(folder), { force: true });
  const tasks = ['run', 'test', '--continue', '--output-logs=new-only', '--no-update-notifier'];
  const command = ['pnpm', 'exec', 'turbo', ...tasks, `--concurrency=${concurrency}`];
  const { ok } = await runStep({ name: 'tests', command, show: true });
  return { ok, ...sumResults(folders) };
}

/** What git sees of the tree, generated folders left out; null without git. */
function treeState() {
  const args = ['status', '--porcelain', '--ignored', '--untracked-files=all'];
  const { status, stdout } = spawnSync('git', args, { encoding: 'utf8', maxBuffer: 2 ** 28 });
  if (status !== 0) return null;
  const generated = /(?:^|\/)(?:node_modules|dist|test-results|\.turbo|\.cache|coverage)\//;
  return new Set(
    stdout.split('\n').filter((line) => line !== '' && !generated.test(line.slice(3))),
  );
}

/** Whether the tests left the tree as it was. */
function isClean(before) {
  const left = [...(treeState() ?? [])].filter((line) => !before.has(line));
  for (const line of left) say(`left behind by a step: ${line.slice(3)}`);
  if (left.length > 0) say('  → let the test write into a folder of mkdtemp(), and remove these');
  return left.length === 0;
}

/** Runs steps one after the other; the names of those that failed. */
async function runQueue(steps) {
  const failed = [];
  for (const step of steps) {
    const { ok, interrupted } = await runStep(step);
    if (interrupted) return [`${step.name} (interrupted)`];
    if (!ok) failed.push(step.name);
  }
  return failed;
}

const isInterrupted = (name) => name.endsWith('(interrupted)');

/** The names of the steps that failed, and the counts of the tests. */
async function runAll() {
  const none = { passed: 0, failed: 0, skipped: 0, files: [] };
  if (!(await runStep(install)).ok) return { failed: ['install'], tests: none, missing: [] };
  const before = treeState();
  const missing = findPrograms();
  const failed = await runQueue([build]);
  if (failed.some(isInterrupted)) return { failed, tests: none, missing };
  const [tests, ...others] = await Promise.all([runTests(), ...checks.map(runQueue)]);
  failed.push(...others.flat());
  if (failed.some(isInterrupted)) return { failed, tests, missing };
  if (!tests.ok || tests.failed > 0) failed.push('tests');
  if (process.env.CI && tests.skipped > 0) failed.push('no skipped tests in CI');
  if (before !== null && !isClean(before)) failed.push('clean tree');
  return { failed, tests, missing };
}

const started = performance.now();
const { failed, tests, missing } = await runAll();
sayLongest(tests.files);
if (missing.length > 0) say(`Not on this machine: ${missing.join(', ')}\n  → ${howToGet(missing)}`);
const seconds = Math.round((performance.now() - started) / 1000);
say(
  failed.length === 0 ? `All steps passed in ${seconds} s.` : `FAILED steps: ${failed.join(', ')}`,
);
say(`${tests.passed} passed, ${tests.failed} failed, ${tests.skipped} skipped`);
process.exitCode = failed.length === 0 ? 0 : 1;
