/**
 * Runs jest for the package in the current folder, with the flags that ES modules need.
 * Arguments are passed on: `pnpm --filter @agentmesh/crypto test -t 'safety number'`.
 * Random tests take their seed from FC_SEED, within `npm test` from the tree, else from chance.
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';

import { folderInMemory } from './temporary.mjs';

const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
// As many workers run as there are cores: threads that collect garbage beside them cost more than
// they gain, and collecting less often costs a tenth less.
flags.push('--single-threaded-gc', '--max-semi-space-size=64');
const { GATE_SEED, ...given } = process.env;
const folder = process.env.TMPDIR === undefined ? folderInMemory() : null;
const env = {
  ...(GATE_SEED === undefined ? {} : { FC_SEED: GATE_SEED }),
  ...(folder === null ? {} : { TMPDIR: folder }),
  ...given,
};
const { status, error } = spawnSync(process.execPath, [...flags, jest, ...process.argv.slice(2)], {
  stdio: 'inherit',
  env,
});
if (folder !== null) rmSync(folder, { recursive: true, force: true });
if (error) throw error;
process.exit(status ?? 1);
