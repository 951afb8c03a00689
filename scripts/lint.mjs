/** Lints the current package with the workspace's rules; `--fix` is passed on. */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const oxlint = join(
  dirname(createRequire(import.meta.url).resolve('oxlint/package.json')),
  'bin/oxlint',
);
const args = ['--config', join(root, '.oxlintrc.json'), '--type-aware', '--deny-warnings'];
const { status, error } = spawnSync(process.execPath, [oxlint, ...args, ...process.argv.slice(2)], {
  stdio: 'inherit',
});
if (error) throw error;
process.exit(status ?? 1);
