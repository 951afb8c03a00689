/**
 * What a program does that `agentmesh up` runs when mail comes: whatever goes wrong with it, `up`
 * says so and stays, and the message comes again or its sender is told.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { CommandWorld, twoAgents, until } from './command-world.js';
import type { Running } from './command-world.js';

jest.setTimeout(240_000);

/** Alice, who is up and runs this when mail comes, and Bob. */
async function waking(world: CommandWorld, exec: string, args: readonly string[] = []) {
  const { alice, bob, up } = await twoAgents(world);
  await up.stop();
  const env = { PATH: '/usr/bin:/bin' };
  const running: Running = alice.start(['up', '--exec', exec, ...args], { env });
  await until(() => running.said.stdout.includes('is up'));
  return { alice, bob, running };
}

describe('a program that up runs', () => {
  test.each([
    ['hangs', 'sleep 600', 'no end within 500 ms', ['--limit', '500ms']],
    ['dies', 'kill -9 $$', 'ended by SIGKILL', []],
    ['floods its output', 'yes', 'bytes of output', []],
    ['fails', 'exit 3', 'exit 3', []],
  ])('and that %s is run again, and answers then', async (_, fault, said, args) => {
    await using world = await CommandWorld.create();
    const exec = `if [ -e again ]; then echo fine; else touch again; ${fault}; fi`;
    const { bob, running } = await waking(world, exec, args);
    const answer = await bob.run(['ask', 'alice', 'go on', '--timeout', '3m']);
    expect(answer).toMatchObject({ status: 0, stdout: 'fine\n' });
    const { stdout, status } = await running.stop();
    expect(status).toBe(0);
    expect(stdout).toContain(said);
  });

  test('and that leaves something running answers all the same', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await waking(world, 'sleep 600 & echo $! > child; echo fine');
    const answer = await bob.run(['ask', 'alice', 'fork', '--timeout', '3m']);
    process.kill(Number(readFileSync(join(alice.folder, 'child'), 'utf8')));
    expect(answer).toMatchObject({ status: 0, stdout: 'fine\n' });
  });

  test('and that ends with 65 has refused', async () => {
    await using world = await CommandWorld.create();
    const { bob } = await waking(world, 'echo not my job; exit 65');
    const answer = await bob.run(['ask', 'alice', 'do it', '--timeout', '3m']);
    expect(answer).toMatchObject({ status: 4, stderr: expect.stringContaining('not my job') });
  });

  test('and that ends with 75 has the message still, and no attempt was lost', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob, running } = await waking(world, 'touch run; exit 75');
    await bob.run(['send', 'alice', 'later']);
    await until(() => running.said.stdout.includes('exit 75'));
    expect(existsSync(join(alice.folder, 'run'))).toBe(true);
    expect(await alice.json(['status'])).toMatchObject([{ inbox: 1 }]);
    expect(await alice.json(['dead-letters', 'list'])).toEqual([]);
  });
});
