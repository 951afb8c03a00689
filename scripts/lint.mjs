/**
 * Lints the current package with the workspace's rules; with `--all` the whole workspace at once,
 * for half of the processor time that all its packages take. `--fix` is passed on.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const oxlint = join(
  dirname(createRequire(import.meta.url).resolve('oxlint/package.json')),
  'bin/oxlint',
);
const given = process.argv.slice(2);
const passedOn = given.filter((arg) => arg !== '--all');
const args = ['--config', join(root, '.oxlintrc.json'), '--type-aware', '--deny-warnings'];
const { status, error } = spawnSync(process.execPath, [oxlint, ...args, ...passedOn], {
  cwd: passedOn.length < given.length ? root : undefined,
  stdio: 'inherit',
});
if (error) throw error;
process.exit(status ?? 1);
