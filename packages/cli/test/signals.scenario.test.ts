/**
 * A signal at any moment: the command lets go of the agent in order, so that the next one goes on
 * where this one was, also while the hub is away. An agent that was cut off needs the hub first.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { expect, jest, test } from '@jest/globals';
import { filesOf } from '../src/index.js';
import { waitingMail } from './bad-input.js';
import { CommandWorld, MAIN, until } from './command-world.js';
import type { Home } from './command-world.js';

jest.setTimeout(300_000);

/** Commands that hold the agent, when a signal comes, and what they end with. */
const SIGNALLED: readonly (readonly [string[], 'held' | 'said', NodeJS.Signals, number[]])[] = [
  [['up'], 'said', 'SIGTERM', [0]],
  // Whether it listens yet or not.
  [['listen'], 'held', 'SIGINT', [0, 130]],
  [['inbox', '--from', 'zed', '--wait', '10m'], 'held', 'SIGINT', [130]],
  [['inbox', '--from', 'zed', '--wait', '10m'], 'held', 'SIGTERM', [143]],
  [['rpc'], 'held', 'SIGTERM', [143]],
  [['up'], 'held', 'SIGTERM', [0]],
];

test('a command that a signal ends leaves the agent as it was', async () => {
  await using world = await CommandWorld.create();
  const { bob } = await waitingMail(world);
  for (const [args, moment, signal, statuses] of SIGNALLED) {
    const child = begin(bob, args);
    await comes(bob, child, moment);
    child.kill(signal);
    const [code] = (await once(child, 'exit')) as [number | null];
    const isExpected = statuses.includes(code ?? -1);
    expect({ args, signal, code, isExpected }).toMatchObject({ isExpected: true });
    await expectUncut(world, bob, args);
  }
});

test('nor does a signal while it begins', async () => {
  await using world = await CommandWorld.create();
  const { bob } = await waitingMail(world);
  for (const args of [['up'], ['inbox', '--from', 'zed', '--wait', '10m']]) {
    for (const ms of [150, 300, 450]) {
      const child = begin(bob, args);
      await new Promise((resolve) => {
        setTimeout(resolve, ms);
      });
      child.kill('SIGTERM');
      await once(child, 'exit');
      await expectUncut(world, bob, [...args, `${ms} ms`]);
    }
  }
});

function begin({ folder }: Home, args: readonly string[]): ChildProcess {
  const env = { PATH: '/usr/bin:/bin', HOME: folder };
  return spawn(process.execPath, [MAIN, ...args], { env, cwd: folder, stdio: 'pipe' });
}

/** Until it is held, or until the command has printed. */
async function comes(home: Home, child: ChildProcess, moment: 'held' | 'said') {
  const files = filesOf({}, { env: { HOME: home.folder }, cwd: home.folder });
  if (moment === 'said') await once(child.stdout ?? child, 'data');
  else await until(() => existsSync(files.socket));
}

/** Its sessions can be used without the hub. */
async function expectUncut(world: CommandWorld, bob: Home, after: readonly string[]) {
  await world.stopHub();
  const sent = await bob.run(['send', 'alice', 'on', '--wait', 'queued', '--json']);
  expect({ after, ...sent }).toMatchObject({ after, status: 0 });
  await world.startHub();
}
