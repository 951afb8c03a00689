/**
 * The session that docs/self-hosting.md types by hand, run as it is printed there against a real
 * hub: only the port is another one.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { ensureProgram } from '../../../scripts/programs.mjs';
import { HubProcess } from './hub-process.js';
import { inFolder } from './store-samples.js';

const guide = readFileSync(new URL('../../../docs/self-hosting.md', import.meta.url), 'utf8');

/** The command of the guide that speaks to the hub with this tool. */
function commandWith(tool: string): string {
  const command = guide
    .split('\n')
    .find((line) => line.startsWith('{ echo') && line.includes(tool));
  if (command === undefined) throw new TypeError(`the guide has no session with ${tool}`);
  return command;
}

/** OpenSSL is everywhere; netcat is looked for, and installed where that is allowed. */
function has(tool: 'openssl' | 'nc'): boolean {
  return tool === 'openssl' || ensureProgram(tool) !== null;
}

for (const tool of ['openssl', 'nc'] as const) {
  const run = has(tool) ? test : test.skip;
  run(`a session typed by hand with ${tool} is answered as the guide prints it`, () =>
    inFolder(async (folder) => {
      const hub = await HubProcess.start(folder);
      const command = commandWith(tool).replace('7700', String(hub.port));
      const { stdout } = spawnSync('bash', ['-c', command], { encoding: 'utf8' });
      const [hello = '', pong] = stdout.trim().split('\n');
      expect(JSON.parse(hello)).toMatchObject({ type: 'hello', version: 2 });
      expect(pong).toBe('{"type":"pong","re":1}');
      await hub.kill();
    }),
  );
}
