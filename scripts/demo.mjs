/**
 * Installs, builds what the demo needs, and runs it: the second half of `npm run demo`.
 * Arguments go to the demo.
 */
import process from 'node:process';

import { installArgs, runStep } from './steps.mjs';

const build = [
  'exec',
  'turbo',
  'run',
  'build',
  '--filter=@agentmesh/demo',
  '--output-logs=errors-only',
];
const steps = [
  { name: 'install', command: ['pnpm', ...installArgs()] },
  { name: 'build', command: ['pnpm', ...build] },
];

for (const step of steps) {
  const { ok, code } = await runStep(step);
  if (!ok) process.exit(code);
}
const start = [
  'pnpm',
  '--silent',
  '--filter',
  '@agentmesh/demo',
  'start',
  ...process.argv.slice(2),
];
const { code } = await runStep({ name: 'demo', command: start, show: true, quiet: true });
process.exit(code);
