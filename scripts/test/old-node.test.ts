/**
 * A Node that is too old: every entry of every package refuses it in one sentence, every command
 * too. The old Node is this one under another number; that an older one gets as far as the check
 * is what the last test is for.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from '@jest/globals';
import { publishedSources, relativePath, root, workspacePackages } from './workspace.js';

const OLD =
  "const value = { ...process.versions, node: '20.19.4' };" +
  "Object.defineProperty(process, 'versions', { value });";
const SENTENCE =
  'This runtime cannot run AgentMesh: it needs Node 22.13 or later, and this is Node 20.19.4';
const PRELOAD = `data:text/javascript,${encodeURIComponent(OLD)}`;

const packages = workspacePackages().filter(({ manifest }) => manifest.private !== true);
const entries = packages
  // It has no dependency and runs anywhere.
  .filter(({ name }) => name !== '@agentmesh/contract')
  .flatMap(({ name, manifest }) =>
    Object.keys(manifest.exports ?? {})
      .filter((door) => door !== './package.json')
      .map((door) => name + door.slice(1)),
  );
const commands = packages.flatMap(({ folder }) => {
  const text = readFileSync(join(folder, 'package.json'), 'utf8');
  const { bin = {} } = JSON.parse(text) as { readonly bin?: Readonly<Record<string, string>> };
  return Object.entries(bin).map(([name, file]) => [name, join(folder, file)] as const);
});

const old = (...args: readonly string[]) =>
  spawnSync(process.execPath, ['--import', PRELOAD, ...args], {
    cwd: join(root, 'scripts'),
    encoding: 'utf8',
    timeout: 60_000,
  });

describe('a Node that is too old', () => {
  test.each(entries)('is refused by %s with a typed error of one line', (entry) => {
    const program = `import(${JSON.stringify(entry)}).then(
      () => console.log('imported'),
      (error) => console.log(error.code, error.message, error.stack.split('\\n').length));`;
    const { stdout } = old('--input-type=module', '-e', program);
    expect(stdout).toBe(`UNSUPPORTED_RUNTIME ${SENTENCE} 1\n`);
  });

  test.each(commands)('is refused by the command %s in one line', (name, file) => {
    const { status, stdout, stderr } = old(file, '--version');
    expect({ status, stdout, stderr }).toEqual({
      status: 1,
      stdout: '',
      stderr: `${name}: ${SENTENCE}\n`,
    });
  });

  test('is the one that package.json names', () => {
    const text = readFileSync(join(root, 'package.json'), 'utf8');
    expect((JSON.parse(text) as { engines: { node: string } }).engines.node).toBe('>=22.13');
  });

  test('gets as far as the check: nothing imports node:sqlite, which it lacks', () => {
    const builtin = packages
      .flatMap(publishedSources)
      .filter((file) => /^import \{[^}]*\} from 'node:sqlite'/m.test(readFileSync(file, 'utf8')));
    expect(builtin.map(relativePath)).toEqual([]);
  });
});
