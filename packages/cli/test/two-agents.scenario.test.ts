/**
 * Two agents that live in commands only: held by `up`, or by each command for itself.
 */
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Mail } from '../src/index.js';
import { CommandWorld, twoAgents, until } from './command-world.js';
import type { Home } from './command-world.js';

/** Each way in which an agent may be held while a command runs. */
const MODES = ['held by up', 'held by nobody'] as const;

describe.each(MODES)('an agent %s', (mode) => {
  async function inMode(world: CommandWorld): Promise<{ alice: Home; bob: Home }> {
    const { alice, bob, up } = await twoAgents(world);
    if (mode === 'held by up') await bob.up();
    else await up.stop();
    return { alice, bob };
  }

  test('says who it is', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await inMode(world);
    for (const [name, home] of Object.entries({ alice, bob })) {
      const [who] = await home.json(['whoami']);
      expect(who).toMatchObject({ name, connection: 'online' });
      const { stdout } = await home.run(['whoami']);
      expect(stdout).toContain(`fingerprint  ${String(who?.['fingerprint'])}`);
    }
  });

  test('sends and receives; a message stays until it is decided about', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await inMode(world);
    const sent = await bob.run(['send', 'alice', '-', '--data', '{"n":1}'], { stdin: 'one\n' });
    expect(sent).toMatchObject({ status: 0, stderr: '' });
    await bob.run(['send', 'alice', 'two']);
    await bob.run(['send', 'alice', 'three']);
    const mails: Mail[] = [];
    await until(async () => {
      mails.push(...(await alice.json<Mail>(['inbox', '--wait', '30s', '--lease', '1ms'])));
      return new Set(mails.map(({ id }) => id)).size === 3;
    });
    const [one, two, three] = ['one\n', 'two', 'three'].map((text) =>
      mails.find((mail) => mail.text === text),
    );
    expect(one).toMatchObject({ from: 'bob', trust: 'verified', payload: { n: 1 } });
    expect(one?.prompt).toMatch(/⟦begin [0-9a-f]{16}⟧/);
    const reply = await alice.run(['reply', one?.id ?? '', 'got it']);
    expect(reply).toMatchObject({ status: 0, stderr: '' });
    expect(await alice.run(['ack', two?.id ?? ''])).toMatchObject({ status: 0 });
    const refused = await alice.run(['refuse', three?.id ?? '', '--reason', 'not mine']);
    expect(refused).toMatchObject({ status: 0 });
    const again = await alice.run(['ack', one?.id ?? '']);
    expect(again).toMatchObject({ status: 1, stdout: '' });
    expect(again.stderr).toMatch(/^agentmesh: [^\n]+\[NO_MESSAGE\]\n$/);
    const [answer] = await bob.json<Mail>(['inbox', '--wait', '30s']);
    expect(answer).toMatchObject({ from: 'alice', text: 'got it', replyTo: one?.id });
  });

  test('asks, and gets an answer, an error, or none in time', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await inMode(world);
    const asked = bob.run(['ask', 'alice', '2+2?', '--timeout', '2m']);
    const [question] = await alice.json<Mail>(['inbox', '--wait', '60s']);
    expect(question).toMatchObject({ text: '2+2?', asks: { op: null } });
    await alice.run(['reply', question?.id ?? '', '4']);
    expect(await asked).toMatchObject({ status: 0, stdout: '4\n', stderr: '' });
    const refused = bob.run(['ask', 'alice', 'why?', '--timeout', '2m']);
    const [second] = await alice.json<Mail>(['inbox', '--wait', '60s']);
    await alice.run(['refuse', second?.id ?? '', '--reason', 'ask carol']);
    expect(await refused).toMatchObject({ status: 4 });
    const late = await bob.run(['ask', 'alice', 'anybody?', '--timeout', '1ms']);
    expect(late).toMatchObject({ status: 5, stdout: '' });
    expect(late.stderr).toContain('[DEADLINE]');
  });
});

describe('a command', () => {
  test('is refused with one line, a code and an exit code', async () => {
    await using world = await CommandWorld.create();
    const nobody = world.home('nobody');
    expect(await nobody.run(['whoami'])).toMatchObject({ status: 1, stdout: '' });
    const { bob } = await twoAgents(world);
    const cases: readonly (readonly [readonly string[], number, string])[] = [
      [['send', 'carol', 'x'], 3, 'PEER_NOT_FOUND'],
      [['send', 'B O B', 'x'], 2, 'BAD_PEER'],
      [['send', 'alice'], 2, 'BAD_OPTION'],
      [['send', 'alice', '--data', '[1]'], 2, 'BAD_OPTION'],
      [['send', 'alice', 'x', '--wait', 'read'], 2, 'BAD_OPTION'],
      [['send', 'alice', 'x', '--ttl', 'soon'], 2, 'BAD_OPTION'],
      [['send', 'alice', 'x', '--colour'], 2, 'BAD_OPTION'],
      [['eat'], 2, 'BAD_OPTION'],
      [['inbox', '--max', '0'], 2, 'BAD_OPTION'],
      [['ack', 'ab'], 2, 'BAD_REQUEST'],
      [['join', 'agentmesh:x'], 2, 'BAD_INVITE'],
      [['whoami', '--profile', '../x'], 2, 'BAD_OPTION'],
    ];
    for (const [args, status, code] of cases) {
      const result = await bob.run(args);
      expect([args, result]).toEqual([args, { status, stdout: '', stderr: expect.any(String) }]);
      expect(result.stderr).toMatch(new RegExp(`^agentmesh: [^\\n]+\\[${code}\\]\\n$`));
      const { stderr } = await bob.run([...args, '--json']);
      expect(JSON.parse(stderr)).toMatchObject({ code, message: expect.any(String) });
    }
  });

  test('that sends nothing is told what to type', async () => {
    await using world = await CommandWorld.create();
    const { stderr } = await world.home('nobody').run(['send', 'alice']);
    expect(stderr).toBe(
      'agentmesh: Nothing to send: give a text in quotes, - to read it from standard input, or ' +
        `--data '{"key":"value"}' [BAD_OPTION]\n`,
    );
  });

  test('keeps a message while the hub is away, and says so', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await twoAgents(world);
    await bob.run(['send', 'alice', 'before']);
    await world.stopHub();
    const sent = await bob.run(['send', 'alice', 'kept', '--timeout', '100ms']);
    expect(sent).toMatchObject({
      status: 7,
      stdout: expect.stringMatching(/^queued [0-9a-f]{32}\n$/),
    });
    const [, id = ''] = sent.stdout.trim().split(' ');
    const text = `message ${id} is kept, and is sent by agentmesh up, or by the next command`;
    expect(sent.stderr).toContain(text);
    expect(sent.stderr).toMatch(/do not send it again \[QUEUED\]\n$/);
    // Where somebody holds the agent, nobody has to do anything.
    const held = await alice.run(['send', 'bob', 'kept too', '--timeout', '100ms']);
    expect(held).toMatchObject({ status: 7, stderr: expect.stringContaining('sent by itself') });
    // Whoever asks for no more than that it is kept has what was asked for.
    const kept = await bob.run(['send', 'alice', 'kept', '--wait', 'queued']);
    expect(kept).toMatchObject({ status: 0, stderr: '' });
    await world.startHub();
    expect(await bob.run(['send', 'alice', 'after'])).toMatchObject({ status: 0 });
    const texts = new Set<string>();
    await until(async () => {
      for (const { text } of await alice.json<Mail>(['inbox', '--wait', '30s'])) texts.add(text);
      return texts.size === 3;
    });
    expect(texts).toEqual(new Set(['before', 'kept', 'after']));
    expect(await bob.json(['inbox', '--wait', '30s'])).toMatchObject([{ text: 'kept too' }]);
  });

  test('of twenty at once works, with a holder and without one', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await twoAgents(world);
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, n) => bob.run(['send', 'alice', `${n}`])),
    );
    expect(results.filter(({ status }) => status !== 0)).toEqual([]);
    const texts = new Set<string>();
    await until(async () => {
      for (const { text } of await alice.json<Mail>(['inbox', '--wait', '30s', '--max', '20'])) {
        texts.add(text);
      }
      return texts.size === 20;
    });
  });
});

describe('the socket', () => {
  test('is for its user only, and goes with its holder', async () => {
    await using world = await CommandWorld.create();
    const alice = world.home('alice');
    const up = await alice.up(['--name', 'alice', '--hub', world.hub]);
    const socket = join(alice.folder, '.agentmesh', 'default', 'agent.sock');
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    expect(statSync(join(socket, '..')).mode & 0o777).toBe(0o700);
    expect(await alice.run(['up'])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('up already'),
    });
    await up.stop();
    expect(existsSync(socket)).toBe(false);
  });

  test('that a killed holder has left is taken over', async () => {
    await using world = await CommandWorld.create();
    const { bob } = await twoAgents(world);
    const socket = join(bob.folder, '.agentmesh', 'default', 'agent.sock');
    // A socket that nobody listens on any more, as `kill -9` leaves it.
    const { spawnSync } = await import('node:child_process');
    const listen = `require('net').createServer().listen(${JSON.stringify(socket)}`;
    const program = `${listen}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', program]);
    expect(existsSync(socket)).toBe(true);
    expect(await bob.run(['whoami'])).toMatchObject({ status: 0 });
    expect(existsSync(socket)).toBe(false);
  });

  test('that is no socket, or whose holder speaks another version, is not used', async () => {
    await using world = await CommandWorld.create();
    const { bob } = await twoAgents(world);
    const socket = join(bob.folder, '.agentmesh', 'default', 'agent.sock');
    const heard: string[] = [];
    const other = createServer((client) => {
      client.on('data', (text: Buffer) => {
        heard.push(String(text));
        const data = { code: 'HOLDER_VERSION', retryable: false, remedy: 'restart it' };
        const error = { code: -32_000, message: 'The holder is of another version', data };
        client.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, error })}\n`);
      });
    });
    await new Promise<void>((resolve) => void other.listen(socket, resolve));
    const result = await bob.run(['whoami']);
    expect(result).toMatchObject({ status: 1, stdout: '' });
    expect(result.stderr).toContain('HOLDER_VERSION');
    // A holder is told who asks.
    expect((await bob.run(['hook', 'prompt'])).stderr).toContain('HOLDER_VERSION');
    expect(heard.join('')).toContain('"client":"agentmesh hook"');
    await new Promise((resolve) => void other.close(resolve));
    writeFileSync(socket, 'a file');
    expect((await bob.run(['whoami'])).stderr).toContain('SOCKET_UNSAFE');
  });
});
