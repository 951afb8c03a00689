/**
 * A message that somebody has taken is theirs until the lease ends, whoever holds the agent in the
 * meantime; and a program that mail has woken ends with its listener.
 */
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { LeaseBook, leasePathOf } from '../src/control/lease-book.js';
import { holdAgent } from '../src/holder/held-agent.js';
import { bringUp } from '../src/holder/up.js';
import { filesOf, serveControl } from '../src/index.js';
import type { Mail } from '../src/index.js';
import { CommandWorld, twoAgents, until, upProcess } from './command-world.js';
import type { Home } from './command-world.js';

jest.setTimeout(240_000);

const storeOf = (home: Home): string => join(home.folder, '.agentmesh', 'default', 'agent.db');

describe('a lease', () => {
  test('goes on between commands that each hold the agent for themselves', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob, up } = await twoAgents(world);
    await up.stop();
    await bob.run(['send', 'alice', 'one']);
    const [one] = await alice.json<Mail>(['inbox', '--wait', '60s']);
    expect(one).toMatchObject({ text: 'one' });
    expect(statSync(leasePathOf(storeOf(alice))).mode & 0o777).toBe(0o600);
    // Whoever looks at the file learns nothing of the message.
    const book = readFileSync(leasePathOf(storeOf(alice)), 'utf8');
    for (const part of [one?.id ?? '', one?.address ?? '']) expect(book).not.toContain(part);
    expect(await alice.json(['inbox'])).toEqual([]);
    expect(await alice.json(['inbox', '--peek'])).toEqual([]);
    await bob.run(['send', 'alice', 'two']);
    expect(await alice.json(['inbox', '--wait', '60s'])).toMatchObject([{ text: 'two' }]);
    // Whose lease it is decides about it, in a command of its own.
    expect(await alice.run(['ack', one?.id ?? ''])).toMatchObject({ status: 0 });
  });

  test('ends in its time, and then the message comes again', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob, up } = await twoAgents(world);
    await up.stop();
    await bob.run(['send', 'alice', 'again']);
    const [first] = await alice.json<Mail>(['inbox', '--wait', '60s', '--lease', '100ms']);
    const [second] = await alice.json<Mail>(['inbox', '--wait', '60s']);
    expect(second).toMatchObject({ id: first?.id, text: 'again' });
    expect(await alice.run(['reply', second?.id ?? '', 'done'])).toMatchObject({ status: 0 });
    expect(existsSync(leasePathOf(storeOf(alice)))).toBe(false);
  });

  test('survives a holder that is killed', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob, up } = await twoAgents(world);
    await up.stop();
    const holder = await upProcess(alice);
    await bob.run(['send', 'alice', 'mine']);
    const [mine] = await alice.json<Mail>(['inbox', '--wait', '60s']);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    expect(await alice.json(['inbox'])).toEqual([]);
    expect(await alice.run(['ack', mine?.id ?? ''])).toMatchObject({ status: 0 });
  });
});

describe('the file of leases', () => {
  const about = { address: 'am2a', id: '0'.repeat(32) };

  test('is read by the next holder, and forgotten where it cannot be', () => {
    const folder = mkdtempSync(join(tmpdir(), 'am-'));
    try {
      const path = join(folder, 'alice.leases');
      let nowMs = 1_000;
      const clock = (): number => nowMs;
      new LeaseBook(path, clock).note([about], 500);
      expect(new LeaseBook(path, clock).leftMs(about)).toBe(500);
      nowMs = 1_499;
      expect(new LeaseBook(path, clock).leftMs(about)).toBe(1);
      nowMs = 1_500;
      const ended = new LeaseBook(path, clock);
      expect([ended.leftMs(about), ended.isEmpty]).toEqual([0, true]);
      for (const text of [
        '',
        '{',
        '[]',
        '{"format":2,"leases":{"a":1}}',
        '{"format":1,"leases":{"a":"b"}}',
      ]) {
        writeFileSync(path, text);
        expect([text, new LeaseBook(path, clock).isEmpty]).toEqual([text, true]);
      }
      const book = new LeaseBook(path, clock);
      book.note([about], 10);
      book.end(about);
      expect(existsSync(path)).toBe(false);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('a command after a kill', () => {
  test('with the hub away says that nothing is kept, and keeps nothing', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await twoAgents(world);
    const holder = await upProcess(bob);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    await world.stopHub();
    const sent = await bob.run(['send', 'alice', 'lost?', '--timeout', '500ms', '--json']);
    expect(sent).toMatchObject({ status: 7, stdout: '' });
    expect(JSON.parse(sent.stderr)).toMatchObject({ code: 'NOT_KEPT', retryable: true });
    await world.startHub();
    expect(await bob.run(['send', 'alice', 'sent'])).toMatchObject({ status: 0 });
    expect(await bob.json(['status'])).toMatchObject([{ outbox: 0 }]);
    const [mail] = await alice.json<Mail>(['inbox', '--wait', '60s']);
    expect(mail).toMatchObject({ text: 'sent' });
    expect(await alice.json(['inbox'])).toEqual([]);
  });
});

describe('a holder that stands in', () => {
  test('makes way for agentmesh up, and its own question goes on', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob, up } = await twoAgents(world);
    await up.stop();
    // Nobody holds Alice: the question does, until somebody does who stays.
    const asked = alice.run(['ask', 'bob', 'are you there?', '--timeout', '5m']);
    const [question] = await bob.json<Mail>(['inbox', '--wait', '60s']);
    const holder = await alice.up();
    expect(holder.said.stderr).toBe('');
    expect(await alice.run(['up'])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('up already'),
    });
    await bob.run(['reply', question?.id ?? '', 'yes']);
    expect(await asked).toMatchObject({ status: 0, stdout: 'yes\n', stderr: '' });
  });
});

describe('a holder that is only opening the agent', () => {
  test('makes way too, once it can be asked', async () => {
    await using world = await CommandWorld.create();
    const { alice, up } = await twoAgents(world);
    await up.stop();
    const files = filesOf({}, { env: { HOME: alice.folder }, cwd: alice.folder });
    // It has the store, and nobody can ask it anything yet.
    const held = await holdAgent({ ...files, socket: `${files.socket}2` }, {});
    let looks = 0;
    const upping = bringUp(files, { clock: () => (looks += 1) });
    await until(() => looks > 2);
    const server = await serveControl(held.agent, {
      path: files.socket,
      handOver: () => void server.close().then(() => held.close()),
    });
    const next = await upping;
    expect(next?.agent.id).toBe('alice');
    await next?.close();
  });
});

describe('never two wakes', () => {
  const isAlive = (pid: number): boolean => {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  };

  test('when the listener is killed: what it has begun ends, before another one begins', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob, up } = await twoAgents(world);
    await up.stop();
    const exec = 'echo $$ > pid; sleep 600';
    const asked = bob.run(['ask', 'alice', 'are you there?', '--timeout', '10m']);
    const listener = await upProcess(alice, ['--exec', exec]);
    const path = join(alice.folder, 'pid');
    await until(() => existsSync(path) && readFileSync(path, 'utf8').endsWith('\n'));
    const pid = Number(readFileSync(path, 'utf8'));
    listener.kill('SIGKILL');
    await once(listener, 'exit');
    await until(() => !isAlive(pid));
    // The message itself comes again, and is answered.
    await alice.up(['--exec', 'echo here']);
    expect(await asked).toMatchObject({ status: 0, stdout: 'here\n' });
  });

  test('when the holder is killed: who listened listens on, and nobody else', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob, up } = await twoAgents(world);
    await up.stop();
    const holder = await upProcess(alice);
    const exec = 'echo run >> runs; while [ ! -e go ]; do sleep 0.05; done; echo done';
    const listening = alice.start(['listen', '--exec', exec], { env: { PATH: '/usr/bin:/bin' } });
    const asked = bob.run(['ask', 'alice', 'first', '--timeout', '10m']);
    await until(() => existsSync(join(alice.folder, 'runs')));
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    await bob.run(['send', 'alice', 'second']);
    await until(async () => {
      const other = await alice.run(['listen', '--exec', 'echo run >> runs', '--json']);
      return other.stderr.includes('LISTENER_BUSY');
    });
    expect(readFileSync(join(alice.folder, 'runs'), 'utf8')).toBe('run\n');
    writeFileSync(join(alice.folder, 'go'), '');
    expect(await asked).toMatchObject({ status: 0, stdout: 'done\n' });
    await listening.stop();
  });
});
