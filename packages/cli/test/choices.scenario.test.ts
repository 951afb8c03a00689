/**
 * What people may choose: which agent is meant, whose messages, how many programs at once; and the
 * questions that a command asks on a terminal.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Agent } from '@agentmesh/agent';
import { NetworkHub } from '@agentmesh/hub-client';
import { describe, expect, jest, test } from '@jest/globals';
import type { CommandProcess } from '../src/command/process.js';
import { socketPathOf } from '../src/control/socket-path.js';
import { filesOf, serveControl } from '../src/index.js';
import type { Mail } from '../src/index.js';
import { CommandWorld, twoAgents, until } from './command-world.js';

jest.setTimeout(240_000);

describe('the agent that is meant', () => {
  test('is that of the project, where the project has a folder for one', async () => {
    await using world = await CommandWorld.create();
    const user = join(world.folder, 'user');
    const project = join(user, 'work', 'project');
    const below = join(project, 'src', 'deep');
    mkdirSync(below, { recursive: true });
    const keysFrom = (cwd: string, choice: object = {}, more: object = {}): string =>
      filesOf(choice, { env: { HOME: user, ...more }, cwd }).keys;
    const own = (folder: string, profile = 'default'): string =>
      join(folder, '.agentmesh', profile, 'agent.json');
    expect(keysFrom(below)).toBe(own(user));
    mkdirSync(join(user, '.agentmesh', 'bob'), { recursive: true });
    expect(keysFrom(below)).toBe(own(user));
    mkdirSync(join(project, '.agentmesh'));
    // Empty as it is: this is how a project gets an agent.
    expect(keysFrom(below)).toBe(own(project));
    expect(keysFrom(project)).toBe(own(project));
    expect(keysFrom(join(user, 'work'))).toBe(own(user));
    // One that is named is where it is, and a new one is the project's.
    expect(keysFrom(below, { profile: 'bob' })).toBe(own(user, 'bob'));
    expect(keysFrom(below, {}, { AGENTMESH_PROFILE: 'bob' })).toBe(own(user, 'bob'));
    expect(keysFrom(below, { profile: 'carol' })).toBe(own(project, 'carol'));
    expect(keysFrom(below, { keys: 'k.json' })).toBe(join(below, 'k.json'));
  });

  test('has a named pipe on Windows, and a socket beside its store elsewhere', () => {
    expect(socketPathOf('/home/a/alice.db')).toBe('/home/a/alice.sock');
    const long = socketPathOf(`/home/${'a'.repeat(200)}/alice.db`);
    expect(Buffer.byteLength(long)).toBeLessThanOrEqual(100);
    const { platform } = process;
    Object.defineProperty(process, 'platform', { value: 'win32' });
    try {
      const pipe = socketPathOf('/home/a/alice.db');
      expect(pipe).toMatch(/^\\\\\.\\pipe\\agentmesh-[0-9a-f]{32}$/);
      expect(socketPathOf('/home/a/bob.db')).not.toBe(pipe);
    } finally {
      Object.defineProperty(process, 'platform', { value: platform });
    }
  });

  test('keeps its name: another one is refused, not forgotten', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await twoAgents(world);
    const { stdout: link } = await alice.run(['invite']);
    const refused = {
      status: 2,
      stderr: expect.stringContaining("the agent here is 'bob', and keeps its name"),
    };
    expect(await bob.run(['join', link.trim(), '--name', 'eve'])).toMatchObject(refused);
    expect(await bob.run(['up', '--name', 'eve'])).toMatchObject(refused);
    const joined = await bob.run(['join', link.trim(), '--name', 'bob']);
    expect(joined).toMatchObject({ status: 0, stderr: '' });
  });

  test('may be that of a program of your own, while it runs', async () => {
    await using world = await CommandWorld.create();
    const { bob } = await twoAgents(world);
    const hub = new NetworkHub(world.hub);
    const keypairPath = join(world.folder, 'own.json');
    const agent = await Agent.create('own', {
      hub,
      keypairPath,
      acceptFrom: 'anyone',
      logLevel: 'silent',
    });
    const server = await serveControl(agent);
    const heard: string[] = [];
    agent.onMessage(({ text }) => void heard.push(text));
    const keys = ['--keys', keypairPath];
    expect(await bob.json(['whoami', ...keys])).toMatchObject([{ name: 'own' }]);
    expect(await bob.run(['send', 'bob', 'from the program', ...keys])).toMatchObject({
      status: 0,
    });
    await until(async () => (await bob.json(['contacts', '--pending'])).length === 1);
    await bob.run(['send', 'own', 'to the program']);
    await until(() => heard.includes('to the program'));
    // It handles its messages itself, and nobody else gets them.
    const taken = await bob.run(['inbox', ...keys]);
    expect(taken).toMatchObject({ status: 1, stderr: expect.stringContaining('[INBOX_TAKEN]') });
    await server.close();
    await agent.close();
    await hub.close();
  });
});

describe('whose messages', () => {
  test('inbox and listen take is said with --from', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await twoAgents(world);
    const carol = world.home('carol');
    await carol.up(['--name', 'carol', '--hub', world.hub]);
    await carol.run(['send', 'alice', 'unchecked']);
    await until(async () => (await alice.json(['contacts', '--pending'])).length === 1);
    await alice.run(['accept', 'carol']);
    await bob.run(['send', 'alice', 'verified']);
    await until(async () => (await alice.json(['inbox', '--peek'])).length === 2);
    const textsFrom = async (from: string) =>
      (await alice.json<Mail>(['inbox', '--peek', '--from', from])).map(({ text }) => text);
    expect(await textsFrom('verified')).toEqual(['verified']);
    expect(await textsFrom('carol')).toEqual(['unchecked']);
    const exec = 'echo "$AGENTMESH_FROM" >> woken';
    const env = { PATH: '/usr/bin:/bin' };
    const listening = alice.start(['listen', '--exec', exec, '--from', 'verified'], { env });
    await until(() => listening.said.stdout.includes('exit 0'));
    expect((await listening.stop()).stdout).toMatch(/^bob: [0-9a-f]{32}: exit 0\n$/);
    expect(await textsFrom('carol')).toEqual(['unchecked']);
  });

  test('as many programs run at once as --concurrency says', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await twoAgents(world);
    // Each waits for the other: one alone would wait for ever.
    const exec = 'touch "r$AGENTMESH_ID"; until [ "$(ls r* | wc -l)" = 2 ]; do sleep 0.05; done';
    const env = { PATH: '/usr/bin:/bin' };
    const listening = alice.start(['listen', '--exec', exec, '--concurrency', '2'], { env });
    await bob.run(['send', 'alice', 'one']);
    await bob.run(['send', 'alice', 'two']);
    await until(() => listening.said.stdout.split('exit 0').length === 3);
    expect(await listening.stop()).toMatchObject({ status: 0 });
  });
});

describe('on a terminal', () => {
  test('accept asks who is let in, and verify whether the numbers are the same', async () => {
    await using world = await CommandWorld.create();
    const { alice } = await twoAgents(world);
    const carol = world.home('carol');
    await carol.up(['--name', 'carol', '--hub', world.hub]);
    await carol.run(['send', 'alice', 'may I?']);
    await until(async () => (await alice.json(['contacts', '--pending'])).length === 1);
    const asked: string[] = [];
    const choosing = (answer: 'first' | null): Pick<CommandProcess, 'choose'> => ({
      async choose(question, options) {
        asked.push(question, ...options.map(({ label }) => label));
        return answer === null ? null : (options[0]?.value ?? null);
      },
    });
    const left = await alice.run(['accept'], { person: choosing(null) });
    expect(left).toMatchObject({ status: 2, stderr: expect.stringContaining('nobody was chosen') });
    const letIn = await alice.run(['accept'], { person: choosing('first') });
    expect(letIn).toMatchObject({ status: 0, stdout: expect.stringMatching(/^accepted am2/) });
    const [own] = await carol.json(['whoami']);
    expect(asked.slice(0, 2)).toEqual(['Who is let in?', `carol  ${String(own?.['fingerprint'])}`]);
    const confirming = (answer: boolean): Pick<CommandProcess, 'confirm'> => ({
      async confirm(question) {
        asked.push(question);
        return answer;
      },
    });
    const no = await alice.run(['verify', 'carol'], { person: confirming(false) });
    expect(no.stdout).toContain('carol (pinned)');
    const yes = await alice.run(['verify', 'carol'], { person: confirming(true) });
    expect(yes.stdout).toContain('carol (verified)');
    expect(asked.at(-1)).toContain(String(own?.['fingerprint']));
  });

  test('invite draws a code with --qr, and nothing that is printed has a colour', async () => {
    await using world = await CommandWorld.create();
    const { alice } = await twoAgents(world);
    const { stdout } = await alice.run(['invite', '--qr', '--uses', '3', '--expires', '7d']);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.at(-1)).toMatch(/^agentmesh:[\w-]+$/);
    expect(lines.length).toBeGreaterThan(20);
    expect(stdout).toMatch(/[█▀▄]/);
    for (const args of [['--help'], ['doctor'], ['status'], ['peers'], ['eat']]) {
      const said = await alice.run(args);
      expect(said.stdout + said.stderr).not.toContain('\u001B');
    }
  });
});
