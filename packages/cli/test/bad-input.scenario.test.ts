/**
 * Every kind of command against everything that may be wrong: one clear line with what to do, the
 * documented exit code, the same error as JSON, and nothing lost.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { programOf } from '../src/command/run.js';
import type { Mail } from '../src/index.js';
import {
  COMMANDS,
  expectNothingLost,
  expectRefusal,
  keysOf,
  NO_ID,
  socketOf,
  waitingMail,
} from './bad-input.js';
import { CommandWorld, Home, until, upProcess } from './command-world.js';
import { HubProcess } from './hub-process.js';
import { nobody } from './nobody.js';

jest.setTimeout(300_000);
afterEach(() => void jest.restoreAllMocks());

/** Commands that need no agent, or have their own tests of what is wrong. */
const OTHERS = ['completion', 'contract', 'doctor', 'hub', 'identity', 'mcp', 'schema', 'skill'];

test('the table has every command that uses an agent', () => {
  const program = programOf(nobody);
  const named = new Set([...COMMANDS.map(([name]) => name ?? ''), ...OTHERS]);
  expect([...named].toSorted()).toEqual(program.commands.map((each) => each.name()).toSorted());
});

/** Something in the place of a holder that answers as one of another version does. */
async function strangeHolder(path: string): Promise<AsyncDisposable> {
  const server = createServer((client) => {
    client.on('error', () => undefined);
    client.on('data', () => {
      const data = { code: 'HOLDER_VERSION', retryable: false, remedy: 'restart agentmesh up' };
      const message = 'The program that holds this agent is of another version';
      const error = { code: -32_000, message, data };
      client.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, error })}\n`);
    });
  });
  server.listen(path);
  await once(server, 'listening');
  return {
    async [Symbol.asyncDispose]() {
      if (!server.listening) return;
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}

describe('every kind of command', () => {
  test('without an agent says how to make one', async () => {
    await using world = await CommandWorld.create();
    const { alice, commands } = await waitingMail(world);
    await using _ = { [Symbol.asyncDispose]: () => alice.close() };
    const nobody = world.home('nobody');
    // These make an agent, and a hook is in nobody's way.
    const makers = new Set(['up', 'join', 'hook']);
    for (const args of commands.filter(([name]) => !makers.has(name ?? ''))) {
      await expectRefusal(nobody, args, { status: 1, code: 'NO_AGENT' });
    }
    // What to do is said once.
    const { stderr } = await nobody.run(['whoami']);
    expect(stderr).toBe(
      'agentmesh: There is no agent here yet; agentmesh up, or agentmesh join LINK [NO_AGENT]\n',
    );
    expect(await nobody.run(['hook', 'prompt'])).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(existsSync(join(nobody.folder, '.agentmesh'))).toBe(false);
  });

  test('refuses a key file that others can read; through a holder it is not read', async () => {
    await using world = await CommandWorld.create();
    const { bob, commands } = await waitingMail(world);
    chmodSync(keysOf(bob), 0o644);
    for (const args of [...commands, ['identity', 'show'], ['identity', 'revocation']]) {
      await expectRefusal(bob, args, { status: 1, code: 'KEY_FILE_PERMISSIONS' });
    }
    chmodSync(keysOf(bob), 0o600);
    const up = await bob.up();
    chmodSync(keysOf(bob), 0o644);
    expect(await bob.run(['whoami'])).toMatchObject({ status: 0 });
    expect(await bob.run(['doctor'])).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/^BAD +keys .*chmod 600/m),
    });
    await up.stop();
    chmodSync(keysOf(bob), 0o600);
    await expectNothingLost(bob);
  });

  test.each(['held', 'left'])('refuses the socket of another user: %s', async (mode) => {
    await using world = await CommandWorld.create();
    const { bob, commands } = await waitingMail(world);
    if (mode === 'held') await bob.up();
    await using _ = mode === 'held' ? null : await strangeHolder(socketOf(bob));
    jest.spyOn(process, 'getuid').mockReturnValue(4_711);
    // Here all of the profile is another user's: what is met first is refused.
    const bySettings = new Set(['join', 'invite']);
    for (const args of commands) {
      const code = bySettings.has(args[0] ?? '') ? 'BAD_SETTINGS' : 'SOCKET_UNSAFE';
      await expectRefusal(bob, args, { status: 1, code });
    }
    const doctor = await bob.run(['doctor']);
    expect(doctor).toMatchObject({ status: 1, stdout: expect.stringContaining('SOCKET_UNSAFE') });
    jest.restoreAllMocks();
    await _?.[Symbol.asyncDispose]();
    await expectNothingLost(bob);
  });

  test('refuses what is no socket, and says to remove it', async () => {
    await using world = await CommandWorld.create();
    const { bob, commands } = await waitingMail(world);
    writeFileSync(socketOf(bob), 'a file');
    for (const args of commands) {
      await expectRefusal(bob, args, { status: 1, code: 'SOCKET_UNSAFE' });
    }
    rmSync(socketOf(bob));
    await expectNothingLost(bob);
  });

  test('refuses a holder of another version', async () => {
    await using world = await CommandWorld.create();
    const { bob, commands } = await waitingMail(world);
    await using holder = await strangeHolder(socketOf(bob));
    for (const args of commands) {
      await expectRefusal(bob, args, { status: 1, code: 'HOLDER_VERSION' });
    }
    const doctor = await bob.run(['doctor']);
    expect(doctor).toMatchObject({ status: 1, stdout: expect.stringContaining('HOLDER_VERSION') });
    await holder[Symbol.asyncDispose]();
    await expectNothingLost(bob);
  });
});

describe.each(['held by up', 'held by nobody'])('with an agent %s', (mode) => {
  const isHeld = mode === 'held by up';

  test('a peer that nobody knows is named, and told how to find', async () => {
    await using world = await CommandWorld.create();
    const { bob } = await waitingMail(world);
    if (isHeld) await bob.up();
    const cases: readonly (readonly [readonly string[], number, string])[] = [
      [['send', 'zed', 'x'], 3, 'PEER_NOT_FOUND'],
      [['ask', 'zed', 'x'], 3, 'PEER_NOT_FOUND'],
      [['ask', 'zed', 'x', '--stream'], 3, 'PEER_NOT_FOUND'],
      [['verify', 'zed'], 3, 'UNKNOWN_PEER'],
      [['verify', 'zed', '0b94:8ddf:d6fc:fc73:7905:4c43:6205:e87b'], 3, 'UNKNOWN_PEER'],
      [['accept', 'zed'], 3, 'UNKNOWN_PEER'],
      [['deny', 'zed'], 3, 'UNKNOWN_PEER'],
      [['reply', NO_ID, 'x'], 1, 'NO_MESSAGE'],
      [['ack', NO_ID], 1, 'NO_MESSAGE'],
      [['refuse', NO_ID, '--reason', 'x'], 1, 'NO_MESSAGE'],
      [['call', NO_ID], 1, 'UNKNOWN_CALL'],
      [['dead-letters', 'show', NO_ID], 1, 'NO_DEAD_LETTER'],
      [['dead-letters', 'retry', NO_ID], 1, 'NO_DEAD_LETTER'],
      [['dead-letters', 'drop', NO_ID], 1, 'NO_DEAD_LETTER'],
      [['revoke', 'A'.repeat(147)], 1, 'BAD_RECORD'],
    ];
    for (const [args, status, code] of cases) await expectRefusal(bob, args, { status, code });
    await expectNothingLost(bob);
  });

  test('a changed identity stops what is said to it, and nothing else', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'am-'));
    const data = join(folder, 'hub');
    const hub = await HubProcess.start(data);
    const [alice, bob, other] = ['alice', 'bob', 'other'].map(
      (name) => new Home(join(folder, name)),
    ) as [Home, Home, Home];
    try {
      const up = await alice.up(['--name', 'alice', '--hub', hub.address]);
      const link = /agentmesh join (\S+)/.exec(up.said.stdout)?.[1] ?? '';
      await bob.json(['join', link, '--name', 'bob']);
      await alice.json(['send', 'bob', 'waits']);
      await up.stop();
      await other.json(['hub', 'free', 'alice', '--data', data]);
      const pretender = await other.up(['--name', 'alice', '--hub', hub.address]);
      if (isHeld) await bob.up();
      await other.json(['send', 'bob', 'I am alice']);
      await until(async () => {
        await bob.json(['inbox', '--peek']);
        const [status] = await bob.json<{ contested: string[] }>(['status']);
        return status?.contested.includes('alice') ?? false;
      });
      for (const args of [
        ['send', 'alice', 'x'],
        ['ask', 'alice', 'x'],
        ['ask', 'alice', 'x', '--stream'],
      ]) {
        await expectRefusal(bob, args, { status: 6, code: 'IDENTITY_CHANGED' });
      }
      expect((await bob.run(['peers'])).stdout).toContain('identity changed');
      expect(await bob.run(['doctor'])).toMatchObject({
        status: 1,
        stdout: expect.stringMatching(/^BAD +identities +changed: alice; agentmesh verify/m),
      });
      // What the first one said is there, and what the other one said is not.
      const mails = await bob.json<Mail>(['inbox', '--wait', '60s']);
      expect(mails.map(({ text }) => text)).toEqual(['waits']);
      // With the fingerprint that its owner says, the other one is alice from now on.
      const [own] = await other.json(['whoami']);
      await bob.json(['verify', 'alice', String(own?.['fingerprint'])]);
      expect(await bob.run(['send', 'alice', 'x'])).toMatchObject({ status: 0 });
      await pretender.stop();
    } finally {
      await Promise.all([alice, bob, other].map((home) => home.close()));
      await hub.kill();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('twenty clients at once do what each of them is asked', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await waitingMail(world);
    if (isHeld) await bob.up();
    const asking = ['ask', 'alice', 'x', '--timeout', '4m'];
    const reading = [['whoami'], ['status'], ['peers'], ['contacts'], ['calls'], ['outbox']];
    const all = [
      ...Array.from({ length: 6 }, (_, n) => ['send', 'alice', `${n}`]),
      ...Array.from({ length: 2 }, () => asking),
      ...reading,
      ...reading,
    ];
    expect(all).toHaveLength(20);
    const running = all.map((args) => bob.run(args));
    const texts = new Set<string>();
    let answered = 0;
    await until(async () => {
      for (const mail of await alice.json<Mail>(['inbox', '--wait', '30s', '--max', '20'])) {
        if (mail.asks === null) texts.add(mail.text);
        else answered += Number((await alice.run(['reply', mail.id, 'y'])).status === 0);
      }
      return texts.size === 6 && answered === 2;
    });
    const results = await Promise.all(running);
    expect(results.filter(({ status, stderr }) => status !== 0 || stderr !== '')).toEqual([]);
    await expectNothingLost(bob);
  });
});

test('a socket that a killed holder has left is in the way of no command', async () => {
  await using world = await CommandWorld.create();
  const { bob, commands } = await waitingMail(world);
  const holder = await upProcess(bob);
  const known = ['whoami', 'status', 'contacts', 'peers', 'calls', 'outbox', 'invite', 'hook'];
  const works = commands.filter(([name = '']) => known.includes(name));
  for (const args of works) {
    if (args === works[0]) {
      holder.kill('SIGKILL');
      await once(holder, 'exit');
    }
    // As the killed one has left it, for each command anew.
    if (!existsSync(socketOf(bob))) await leaveSocket(socketOf(bob));
    expect({ args, ...(await bob.run(args)) }).toMatchObject({ args, status: 0, stderr: '' });
  }
  await leaveSocket(socketOf(bob));
  await expectNothingLost(bob);
});

/** A socket on which nobody listens any more, as `kill -9` leaves it. */
async function leaveSocket(path: string): Promise<void> {
  const listen = `require('net').createServer().listen(${JSON.stringify(path)}`;
  const program = `${listen}, () => process.kill(process.pid, 'SIGKILL'))`;
  await once(spawn(process.execPath, ['-e', program]), 'exit');
}
