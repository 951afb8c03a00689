/**
 * A command that goes through a holder loads nothing that encrypts, and little else.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { CommandWorld } from './command-world.js';

const HOOKS = new URL('loaded-modules.mjs', import.meta.url);
const DOOR = new URL('../dist/command.bundle.js', import.meta.url);

/** Runs the command as a process; the modules that it loads besides those of Node. */
function modulesOf(folder: string, args: readonly string[]): Promise<string[]> {
  const loaded = join(folder, `loaded-${args.join('-')}`);
  const hooks = JSON.stringify(HOOKS.href);
  const preload = `import { register } from 'node:module'; register(${hooks});`;
  const program = `import { main } from ${JSON.stringify(DOOR.href)}; await main('1.2.3');`;
  const nodeArgs = [
    '--no-warnings',
    '--import',
    `data:text/javascript,${encodeURIComponent(preload)}`,
    '--input-type=module',
    '-e',
    program,
    'agentmesh',
    ...args,
  ];
  const env = { ...process.env, HOME: folder, LOADED: loaded };
  const child = spawn(process.execPath, nodeArgs, { env, cwd: folder });
  let printed = '';
  child.stdout.on('data', (text) => void (printed += text));
  child.stderr.on('data', (text) => void (printed += text));
  return new Promise((resolve, reject) => {
    child.once('close', (code) => {
      if (code !== 0) return reject(new Error(`${code}: ${printed}`));
      const urls = readFileSync(loaded, 'utf8').trim().split('\n');
      resolve(urls.filter((url) => url.startsWith('file:')));
    });
  });
}

test('a command through a holder loads no cryptography, no schemas and few modules', async () => {
  await using world = await CommandWorld.create();
  const alice = world.home('alice');
  await alice.up(['--name', 'alice', '--hub', world.hub]);
  // The base of errors, and the check of Node.
  const light = /packages\/crypto\/dist\/(runtime\.bundle|chunk-[^/]+)\.js$/;
  for (const args of [['--version'], ['whoami'], ['inbox', '--peek']]) {
    const modules = await modulesOf(alice.folder, args);
    const heavy = /agentmesh-crypto|packages\/(crypto|agent|protocol|hub-)|sodium|noble|zod/;
    expect(modules.filter((url) => heavy.test(url) && !light.test(url))).toEqual([]);
    expect(modules.length).toBeLessThan(20);
  }
});
