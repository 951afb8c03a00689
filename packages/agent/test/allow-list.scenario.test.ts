/** Strict trust with its list in a file: who is in it is spoken to, whoever could write it. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { World } from './world.js';

let folder: string;
let allowListPath: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agentmesh-allowed-'));
  allowListPath = join(folder, 'allowed.txt');
});
afterEach(() => rm(folder, { recursive: true }));

const refusal = (what: string) =>
  expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining(what) });

describe('an allow-list file', () => {
  test('lets in whom it names, verified, and nobody else', async () => {
    await using world = await World.create();
    const [bob, carol] = [await world.agent('bob'), await world.agent('carol')];
    const lines = ['# friends', '', `bob#${bob.agent.fingerprint}`, carol.agent.address, ''];
    await writeFile(allowListPath, lines.join('\r\n'), { mode: 0o600 });
    const alice = await world.agent('alice', { trust: 'strict', allowListPath });
    const mallory = await world.agent('mallory');
    for (const { agent } of [bob, carol, mallory]) await world.finish(agent.send('alice', 'hello'));
    await world.advance(1_000);
    expect(alice.messages.map(({ sender, trust }) => `${sender} ${trust}`).toSorted()).toEqual([
      'bob verified',
      'carol verified',
    ]);
    expect(alice.events.refused).toMatchObject([{ code: 'UNTRUSTED_PEER' }]);
    await world.finish(alice.agent.send('bob', 'hello too'));
  });

  test.each([
    ['bob', 'line 2'],
    ['bob#1234', 'line 2'],
    ['am2x', 'line 2'],
  ])('with the line %j is refused, with the number of the line', async (line, what) => {
    await using world = await World.create();
    await writeFile(allowListPath, `# friends\n${line}\n`, { mode: 0o600 });
    await expect(world.agent('alice', { allowListPath })).rejects.toEqual(refusal(what));
  });

  const onPosix = process.platform === 'win32' ? test.skip : test;
  onPosix('that is a pipe is refused, instead of being waited for', async () => {
    await using world = await World.create();
    execFileSync('mkfifo', ['-m', '600', allowListPath]);
    await expect(world.agent('alice', { allowListPath })).rejects.toEqual(refusal('not a file'));
  });

  test('that others can write, or nobody can read, is refused', async () => {
    await using world = await World.create();
    await expect(world.agent('alice', { allowListPath })).rejects.toEqual(refusal('be read'));
    await writeFile(allowListPath, '');
    await chmod(allowListPath, 0o666);
    await expect(world.agent('alice', { allowListPath })).rejects.toEqual(refusal('chmod go-w'));
    await chmod(allowListPath, 0o644);
    await world.agent('alice', { allowListPath });
  });
});
