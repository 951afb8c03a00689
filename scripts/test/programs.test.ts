/**
 * The installer of programs for tests: one at a time, once, and nothing where it is not allowed.
 * What is installed here is an empty file in a folder of the test.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { root } from './workspace.js';

const MODULE = join(root, 'scripts', 'programs.mjs');
let folder = '';
const log = (): string[] => readFileSync(join(folder, 'log'), 'utf8').split('\n').filter(Boolean);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'agentmesh-programs-test-'));
  mkdirSync(join(folder, 'bin'));
  writeFileSync(join(folder, 'log'), '');
});

afterEach(() => rmSync(folder, { recursive: true }));

/** A program that asks for two programs and installs by `install`, which sees its folder as `f`. */
function asking(install: string): readonly string[] {
  const program = `
    import { appendFileSync, writeFileSync } from 'node:fs';
    const { ensurePrograms } = await import(process.argv[2]);
    // What this machine has does not count.
    process.env.PATH = process.argv[1] + '/bin';
    const f = process.argv[1];
    const install = (packages) => { ${install} };
    const options = { folder: f, install };
    const found = ensurePrograms(['nats-server', 'nc'], options);
    process.stdout.write(JSON.stringify(Object.fromEntries(found)));`;
  return ['--input-type=module', '-e', program, folder, MODULE];
}

const slowly = `
  appendFileSync(f + '/log', 'begin ' + packages + '\\n');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
  for (const name of ['nats-server', 'nc']) writeFileSync(f + '/bin/' + name, '');
  appendFileSync(f + '/log', 'end\\n');`;

const askedOnce = (install: string): Record<string, string | null> => {
  const { stdout } = spawnSync(process.execPath, asking(install), { encoding: 'utf8' });
  return JSON.parse(stdout) as Record<string, string | null>;
};

describe('programs for tests', () => {
  test('are installed once, in one go, by processes that all need them at the same time', async () => {
    const children = Array.from({ length: 4 }, () =>
      spawn(process.execPath, asking(slowly), { stdio: ['ignore', 'pipe', 'inherit'] }),
    );
    const said = await Promise.all(
      children.map(async (child) => {
        let text = '';
        child.stdout.on('data', (bytes: Buffer) => (text += bytes.toString()));
        await once(child, 'close');
        return text;
      }),
    );
    const found = { 'nats-server': `${folder}/bin/nats-server`, nc: `${folder}/bin/nc` };
    expect(said.map((text) => JSON.parse(text) as unknown)).toEqual([found, found, found, found]);
    expect(log()).toEqual(['begin nats-server,netcat-openbsd', 'end']);
  });

  test('that cannot be installed are asked for once, not by every test file', () => {
    const failing = "appendFileSync(f + '/log', 'tried ' + packages + '\\n');";
    expect(askedOnce(failing)).toEqual({ 'nats-server': null, nc: null });
    expect(askedOnce(failing)).toEqual({ 'nats-server': null, nc: null });
    expect(log()).toEqual(['tried nats-server,netcat-openbsd']);
  });

  test('are installed although an installer died and left its lock behind', () => {
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    writeFileSync(join(folder, 'lock'), String(pid));
    expect(askedOnce(slowly)).toMatchObject({ nc: `${folder}/bin/nc` });
  });

  test('of which nobody knows are refused by the command, and the known ones named', () => {
    const { status, stderr } = spawnSync(process.execPath, [MODULE, 'ncat'], { encoding: 'utf8' });
    expect(status).toBe(2);
    expect(stderr).toMatch(/^unknown: ncat; known: nats-server,/);
  });
});
