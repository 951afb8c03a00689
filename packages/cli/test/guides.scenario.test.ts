/**
 * The guides for people with a terminal and for Python: every block of them is run, in its order.
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';
import { blocksOf, guide } from '../../../scripts/guide.mjs';
import type { Block } from '../../../scripts/guide.mjs';
import { CommandWorld, MAIN, until } from './command-world.js';
import type { Home } from './command-world.js';

jest.setTimeout(300_000);

const noted = (blocks: readonly Block[], note: string): string =>
  blocks.find((block) => block.note === note)?.code ?? '';

/** A shell in which `agentmesh` is this package's command. */
class Shell {
  readonly #home: Home;
  readonly #bin: string;
  readonly #running = new Set<ChildProcess>();

  constructor(home: Home) {
    this.#home = home;
    this.#bin = join(home.folder, 'bin');
    mkdirSync(this.#bin);
    this.program('agentmesh', `exec "${process.execPath}" "${MAIN}" "$@"`);
    this.program('npm', 'true');
  }

  program(name: string, code: string): void {
    const path = join(this.#bin, name);
    writeFileSync(path, code.startsWith('#!') ? code : `#!/bin/sh\n${code}\n`);
    chmodSync(path, 0o755);
  }

  file(name: string, content: string): void {
    writeFileSync(join(this.#home.folder, name), content);
    chmodSync(join(this.#home.folder, name), 0o755);
  }

  start(code: string): { said: { stdout: string; stderr: string }; ended: Promise<number | null> } {
    const child = spawn('sh', ['-c', code], { ...this.#options, detached: true });
    const said = { stdout: '', stderr: '' };
    child.stdout.on('data', (text) => void (said.stdout += text));
    child.stderr.on('data', (text) => void (said.stderr += text));
    this.#running.add(child);
    const ended = new Promise<number | null>((resolve) => {
      child.once('close', (code) => {
        this.#running.delete(child);
        resolve(code);
      });
    });
    return { said, ended };
  }

  async run(code: string): Promise<{ stdout: string; stderr: string; status: number | null }> {
    const { said, ended } = this.start(code);
    const status = await ended;
    return { ...said, status };
  }

  /** Ends what still runs, in order. */
  async close(): Promise<void> {
    for (const child of this.#running) process.kill(-(child.pid ?? 0), 'SIGTERM');
    await until(() => this.#running.size === 0);
  }

  get #options() {
    const { folder } = this.#home;
    const env = { PATH: `${this.#bin}:${process.env['PATH'] ?? ''}`, HOME: folder };
    return { env, cwd: folder };
  }
}

test('docs/five-minutes.md: every block runs, and what it says happens', async () => {
  await using world = await CommandWorld.create();
  const shell = new Shell(world.home('me'));
  const blocks = blocksOf(guide('five-minutes.md'), 'sh');
  const up = shell.start(noted(blocks, 'alice, stays'));
  await until(() => up.said.stdout.includes('agentmesh join'));
  const link = /agentmesh join (\S+)/.exec(up.said.stdout)?.[1] ?? '';
  const joining = noted(blocks, 'bob');
  const joined = await shell.run(joining.replace('agentmesh:AQEV…', link));
  expect(joined).toMatchObject({ status: 0, stderr: '' });
  const listening = shell.start(noted(blocks, 'bob, stays'));
  expect(await shell.run(noted(blocks, 'alice'))).toEqual({
    status: 0,
    stderr: '',
    stdout: 'hello alice\n',
  });
  await until(() => listening.said.stdout.includes('exit 0'));
  await shell.close();
  // Without a program, and without anybody who holds Bob.
  const again = shell.start(noted(blocks, 'alice, stays'));
  await until(() => again.said.stdout.includes('is up'));
  const mail = noted(blocks, 'mail').split('\n');
  expect(await shell.run(mail[0] ?? '')).toMatchObject({ status: 0 });
  const { stdout } = await shell.run(mail[1] ?? '');
  expect(stdout).toContain('the build is green');
  const id = /id: ([0-9a-f]{32})/.exec(stdout)?.[1] ?? '';
  const reply = (mail[2] ?? '').replace(/[0-9a-f]{32}/, id);
  expect(await shell.run(reply)).toMatchObject({ status: 0, stderr: '' });
  // Carol is a stranger; her first message waits.
  const address = /is up on tcps:\/\/(\S+)/.exec(up.said.stdout)?.[1] ?? '';
  const carol = shell.start(`agentmesh up --profile carol --name carol --hub ${address}`);
  await until(() => carol.said.stdout.includes('is up'));
  await shell.run('agentmesh send alice "may I?" --profile carol');
  await until(async () => (await shell.run('agentmesh contacts --pending')).stdout !== '');
  for (const note of ['strangers', 'doctor', 'schema']) {
    const result = await shell.run(`set -e\n${noted(blocks, note)}`);
    expect({ note, ...result }).toMatchObject({ note, status: 0, stderr: '' });
  }
  await shell.close();
  const lan = shell.start(noted(blocks, 'lan, stays'));
  await until(() => /Let another agent join with:\n {2}agentmesh join /.test(lan.said.stdout));
  await shell.close();
  const notes = blocks.map(({ note }) => note).toSorted();
  expect(notes).toEqual(
    [
      '',
      'alice',
      'alice, stays',
      'bob',
      'bob, stays',
      'doctor',
      'lan, stays',
      'mail',
      'schema',
    ].concat('strangers'),
  );
});

test('docs/python-and-shell.md: every block runs, where there is Python', async () => {
  await using world = await CommandWorld.create();
  const text = guide('python-and-shell.md');
  const home = world.home('me');
  const shell = new Shell(home);
  const up = await home.up(['--name', 'alice', '--hub', world.hub]);
  const link = /agentmesh join (\S+)/.exec(up.said.stdout)?.[1] ?? '';
  await home.run(['join', link, '--name', 'bob', '--profile', 'bob']);
  const blocks = blocksOf(text, 'sh');
  shell.file('agent.sh', noted(blocks, 'agent.sh'));
  const bob = 'export AGENTMESH_PROFILE=bob\n';
  const listening = shell.start(`${bob}${noted(blocks, 'stays')}`);
  for (const { code } of blocks.filter(({ note }) => note === 'run')) {
    const result = await shell.run(`set -e\n${code}`);
    expect({ code, ...result }).toMatchObject({ code, status: 0, stderr: '' });
    if (code.includes('answer=')) expect(result.stdout).toMatch(/^bob says \s*\d+\n$/);
  }
  await until(() => listening.said.stdout.split('exit 0').length > 2);
  await shell.close();
  shell.file('research.sh', noted(blocks, 'research.sh'));
  shell.file('research.json', noted(blocksOf(text, 'json'), 'research.json'));
  const serving = shell.start(`${bob}${noted(blocks, 'research, stays')}`);
  const counted = await shell.run(noted(blocks, 'research'));
  expect({ ...counted, served: serving.said.stderr }).toEqual({
    status: 0,
    stdout: 'research@1: count\n{"words":3}\n',
    stderr: '',
    served: '',
  });
  await shell.close();
  if (spawnSync('python3', ['--version']).status !== 0) return;
  for (const { note, code } of blocksOf(text, 'python')) shell.file(note, code);
  const client = blocksOf(text, 'python').find(({ note }) => note === 'agentmesh.py')?.code ?? '';
  expect(client.split('\n').length).toBeLessThan(140);
  const worker = shell.start(`${bob}exec python3 worker.py`);
  const asked = await shell.run('python3 asker.py');
  expect({ asked, worker: worker.said.stderr }).toEqual({
    asked: { status: 0, stderr: '', stdout: 'alice\n5\n' },
    worker: '',
  });
  await shell.close();
});
