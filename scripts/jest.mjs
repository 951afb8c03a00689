/**
 * Runs jest for the package in the current folder, with the flags that ES modules need.
 * Arguments are passed on: `pnpm --filter @agentmesh/crypto test -t 'safety number'`.
 * Random tests take their seed from FC_SEED, within `npm test` from the tree, else from chance.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
const { GATE_SEED, ...given } = process.env;
const env = GATE_SEED === undefined ? given : { FC_SEED: GATE_SEED, ...given };
const { status, error } = spawnSync(process.execPath, [...flags, jest, ...process.argv.slice(2)], {
  stdio: 'inherit',
  env,
});
if (error) throw error;
process.exit(status ?? 1);
