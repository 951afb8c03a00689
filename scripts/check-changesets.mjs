/**
 * Checks that every file in `.changeset` can be released (known public packages, a valid bump, a
 * summary), and that a package whose API report differs from the last release, or from the main
 * branch where this is another one, is named by one of them.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { getReleasePlan } from '@changesets/get-release-plan';

const root = process.env.AGENTMESH_ROOT ?? dirname(dirname(fileURLToPath(import.meta.url)));

/** What git says, trimmed; undefined where it refuses, or is not there. */
function git(...args) {
  const { status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

/** The commit of the last release: a release is what rewrites the changelogs. */
const lastRelease = () => git('log', '-1', '--format=%H', '--', 'packages/*/CHANGELOG.md');

/** Where this branch left the main one; undefined on the main branch itself. */
function branchPoint() {
  const head = git('rev-parse', 'HEAD');
  const points = ['origin/main', 'main'].map((name) => git('merge-base', 'HEAD', name));
  return points.find((point) => point && point !== head);
}

/** The paths that differ from `base`, those that git does not know yet included. */
function changedSince(base) {
  const changed = git('diff', '--name-only', base) ?? '';
  const added = git('ls-files', '--others', '--exclude-standard') ?? '';
  return `${changed}\n${added}`.split('\n').filter(Boolean);
}

function publicPackages() {
  return readdirSync(join(root, 'packages'))
    .map((name) => ({
      path: `packages/${name}`,
      file: join(root, 'packages', name, 'package.json'),
    }))
    .filter(({ file }) => existsSync(file))
    .map(({ path, file }) => ({ path, ...JSON.parse(readFileSync(file, 'utf8')) }))
    .filter((manifest) => manifest.private !== true);
}

/** One line for each package whose public API changed since `base` without one of `changesets`. */
function unannounced(base, what, isCounted, changesets) {
  const changed = changedSince(base);
  // A release consumes the changesets and says all in the changelogs.
  if (changed.some((path) => path.endsWith('/CHANGELOG.md'))) return [];
  const counted = changesets.filter(({ id }) => isCounted(`.changeset/${id}.md`, changed));
  const named = new Set(counted.flatMap(({ releases }) => releases.map(({ name }) => name)));
  return publicPackages()
    .filter(({ path }) => changed.some((file) => file.startsWith(`${path}/api/`)))
    .filter(({ name }) => !named.has(name))
    .map(({ name }) => `${name}: its API differs from ${what}: run \`pnpm changeset\` and name it`);
}

const problems = [];
try {
  const { changesets } = await getReleasePlan(root);
  for (const { id, summary } of changesets) {
    if (summary.trim() === '')
      problems.push(`.changeset/${id}.md has no summary: write one sentence`);
  }
  const release = lastRelease();
  if (release) problems.push(...unannounced(release, 'the last release', () => true, changesets));
  const point = branchPoint();
  const isNew = (path, changed) => changed.includes(path);
  if (point) problems.push(...unannounced(point, 'the main branch', isNew, changesets));
} catch (error) {
  problems.push(`.changeset: ${error.message}`);
}
for (const problem of new Set(problems)) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
