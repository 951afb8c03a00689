/**
 * What docs/platforms.md says of modules holds: a CommonJS program can require every entry.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { expect, test } from '@jest/globals';

import { root } from './workspace.js';

const entries = ['agentmesh', '@agentmesh/agent', '@agentmesh/crypto', '@agentmesh/hub-server'];

test.each(entries)('a CommonJS program requires %s', (entry) => {
  const program = `console.log(Object.keys(require(${JSON.stringify(entry)})).length > 3);`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=commonjs', '-e', program], {
    cwd: join(root, 'scripts'),
    encoding: 'utf8',
    timeout: 60_000,
  });
  expect({ stdout, stderr }).toEqual({ stdout: 'true\n', stderr: '' });
});
