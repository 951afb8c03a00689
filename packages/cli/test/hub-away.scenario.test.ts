/**
 * Commands while the hub is away: what needs no hub works, what is kept says so, and what cannot be
 * done ends with exit code 7, after a kill too. When the hub is back, all goes on.
 */
import { once } from 'node:events';
import { describe, expect, jest, test } from '@jest/globals';
import type { Mail } from '../src/index.js';
import { expectNothingLost, waitingMail } from './bad-input.js';
import { CommandWorld, twoAgents, until, upProcess } from './command-world.js';

jest.setTimeout(300_000);

const MODES = ['held by up', 'held by nobody', 'killed, held by up', 'killed, held by nobody'];

describe.each(MODES)('while the hub is away, an agent %s', (mode) => {
  const isKilled = mode.startsWith('killed');

  /** Bob has a message of Alice in his inbox, and the hub is gone. */
  async function withoutHub(world: CommandWorld) {
    const { alice, bob } = await waitingMail(world);
    const [invite] = await alice.json(['invite']);
    const mails = await bob.json<Mail>(['inbox', '--wait', '60s', '--lease', '1ms']);
    if (isKilled) {
      const holder = await upProcess(bob);
      holder.kill('SIGKILL');
      await once(holder, 'exit');
    }
    if (mode.endsWith('by up') && !isKilled) await bob.up();
    await world.stopHub();
    if (mode.endsWith('by up') && isKilled) await bob.up();
    return { alice, bob, link: String(invite?.['link']), id: mails[0]?.id ?? '' };
  }

  test('does what needs no hub', async () => {
    await using world = await CommandWorld.create();
    const { bob } = await withoutHub(world);
    const works = [
      ['whoami'],
      ['status'],
      ['contacts'],
      ['accept', 'alice'],
      ['verify', 'alice'],
      ['peers'],
      ['calls'],
      ['outbox'],
      ['invite'],
      ['dead-letters', 'list'],
      ['identity', 'show'],
      ['inbox', '--peek'],
      ['hook', 'prompt'],
    ];
    await Promise.all(
      works.map(async (args) => {
        expect({ args, ...(await bob.run(args)) }).toMatchObject({ args, status: 0, stderr: '' });
      }),
    );
    const [status] = await bob.json(['status']);
    expect(status).toMatchObject({ connection: 'offline', inbox: 1 });
    await world.startHub();
    await expectNothingLost(bob);
  });

  test('says what it cannot do, and keeps nothing of that', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob, link, id } = await withoutHub(world);
    const waits: readonly (readonly [readonly string[], string])[] = [
      [['send', 'zed', 'x', '--timeout', '300ms'], 'NOT_KEPT'],
      [['ask', 'zed', 'x', '--timeout', '300ms'], 'NOT_KEPT'],
      [['ask', 'zed', 'x', '--stream', '--timeout', '300ms'], 'NOT_KEPT'],
      [['peers', '--all'], 'HUB_AWAY'],
      [['inbox', '--from', 'zed'], 'HUB_AWAY'],
      [['inbox', '--from', 'zed', '--wait', '300ms'], 'HUB_AWAY'],
      [['join', link], 'NOT_KEPT'],
      [['rotate'], 'CONNECTION_LOST'],
      ...(isKilled
        ? ([
            [['send', 'alice', 'lost', '--timeout', '300ms'], 'NOT_KEPT'],
            [['ask', 'alice', 'lost', '--timeout', '300ms'], 'NOT_KEPT'],
            [['reply', id, 'lost', '--timeout', '300ms'], 'NOT_KEPT'],
          ] as const)
        : []),
    ];
    await Promise.all(
      waits.map(async ([args, code]) => {
        const said = await bob.run([...args, '--json']);
        expect({ args, ...said }).toMatchObject({ args, status: 7, stdout: '' });
        const report = JSON.parse(said.stderr) as Record<string, unknown>;
        expect({ args, ...report }).toMatchObject({ args, code, retryable: true });
        expect(report['remedy']).toMatch(/agentmesh doctor/);
      }),
    );
    await world.startHub();
    await until(async () => (await bob.json(['status']))[0]?.['connection'] === 'online');
    await bob.json(['send', 'alice', 'after']);
    const mails = await alice.json<Mail>(['inbox', '--wait', '60s']);
    expect(mails.map(({ text }) => text)).toEqual(['after']);
    await until(async () => (await bob.json(['status']))[0]?.['outbox'] === 0);
    expect(await bob.json(['calls'])).toEqual([]);
    await expectNothingLost(bob);
  });

  if (!isKilled) {
    test('keeps what is sent and answered, and goes on when the hub is back', async () => {
      await using world = await CommandWorld.create();
      const { alice, bob, id } = await withoutHub(world);
      expect(await bob.run(['send', 'alice', 'kept', '--timeout', '300ms'])).toMatchObject({
        status: 7,
        stderr: expect.stringContaining('[QUEUED]'),
      });
      expect(await bob.run(['reply', id, 'answer'])).toMatchObject({ status: 0, stderr: '' });
      const asked = bob.run(['ask', 'alice', 'question', '--timeout', '4m']);
      await until(async () => (await bob.json(['calls'])).length === 1);
      await world.startHub();
      const texts = new Map<string, string>();
      await until(async () => {
        for (const { text, id: one } of await alice.json<Mail>(['inbox', '--wait', '30s'])) {
          texts.set(text, one);
        }
        return texts.size === 3;
      });
      expect([...texts.keys()].toSorted()).toEqual(['answer', 'kept', 'question']);
      await alice.json(['reply', texts.get('question') ?? '', 'yes']);
      expect(await asked).toMatchObject({ status: 0, stdout: 'yes\n', stderr: '' });
    });
  }
});

test('an answer after a kill goes out when the hub comes back in time', async () => {
  await using world = await CommandWorld.create();
  const { alice, bob } = await twoAgents(world);
  const asked = alice.run(['ask', 'bob', 'still there?', '--timeout', '4m']);
  const [question] = await bob.json<Mail>(['inbox', '--wait', '60s', '--lease', '1ms']);
  const holder = await upProcess(bob);
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  await world.stopHub();
  const replying = bob.run(['reply', question?.id ?? '', 'yes', '--timeout', '4m']);
  // It holds the agent by now, and waits.
  await until(async () => (await bob.json(['status']))[0]?.['connection'] === 'offline');
  await world.startHub();
  expect(await replying).toMatchObject({ status: 0, stderr: '' });
  expect(await asked).toMatchObject({ status: 0, stdout: 'yes\n' });
});

test('a program that answers after a kill is not run a second time for want of the hub', async () => {
  await using world = await CommandWorld.create();
  const { alice, bob } = await twoAgents(world);
  const asked = alice.run(['ask', 'bob', 'still there?', '--timeout', '4m']);
  await bob.json(['inbox', '--wait', '60s', '--lease', '1ms']);
  const holder = await upProcess(bob);
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  await world.stopHub();
  const env = { PATH: '/usr/bin:/bin' };
  const exec = 'echo run >> runs; cat runs';
  const listening = bob.start(['listen', '--exec', exec], { env });
  await until(() => listening.said.stdout.includes('exit 0'));
  await world.startHub();
  expect(await asked).toMatchObject({ status: 0, stdout: 'run\n' });
  expect(await listening.stop()).toMatchObject({ status: 0 });
});

test('whoever waits at a terminal is told what for', async () => {
  await using world = await CommandWorld.create();
  const { alice } = await twoAgents(world);
  await world.stopHub();
  const notes: string[] = [];
  const note = (text: string): void => void notes.push(text);
  const waited = await alice.run(['inbox', '--wait', '3s'], { note });
  expect(waited).toMatchObject({ status: 7, stderr: expect.stringContaining('[HUB_AWAY]') });
  await until(() => notes.length > 0);
  expect(notes).toEqual([`waiting for the hub at tcps://${world.hub}\n`]);
});
