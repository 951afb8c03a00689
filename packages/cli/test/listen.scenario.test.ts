/**
 * Waking: a program runs when mail comes, and what becomes of the mail is what it says, whatever it
 * does besides.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Mail } from '../src/index.js';
import { filesOf, openControl } from '../src/index.js';
import type { ExecEnd } from '../src/wake/exec.js';
import { Listener } from '../src/wake/listener.js';
import type { WakeOptions } from '../src/wake/listener.js';
import { CommandWorld, MAIN, twoAgents, until, upProcess } from './command-world.js';
import type { Home } from './command-world.js';

/** What a program has written into the folder of its agent. */
const written = (home: Home, name: string): string => {
  const path = join(home.folder, name);
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
};

const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '');

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** A listener of an agent with times of the test's own. */
async function listening(
  home: Home,
  command: string,
  options: Partial<WakeOptions> = {},
): Promise<{ ends: ExecEnd[]; stop: () => Promise<void> }> {
  const files = filesOf({}, { env: { HOME: home.folder }, cwd: home.folder });
  const control = await openControl(files);
  const ends: ExecEnd[] = [];
  const listener = new Listener(control, {
    command,
    batchMs: 0,
    concurrency: 1,
    from: undefined,
    limitMs: 60_000,
    env: { PATH: process.env['PATH'] },
    cwd: home.folder,
    complain: () => undefined,
    ended: (_mails, end) => void ends.push(end),
    ...options,
  });
  const run = listener.run();
  return {
    ends,
    async stop() {
      listener.stop();
      await run;
      await control.close();
    },
  };
}

describe('a program that mail wakes', () => {
  test('gets the message, and its output answers a question', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await twoAgents(world);
    const exec =
      'cat > got; cp "$AGENTMESH_PROMPT_FILE" prompt; ' +
      'echo "$AGENTMESH_FROM is $AGENTMESH_TRUST"; echo heard >&2';
    const listen = alice.start(['listen', '--exec', exec], { env: { PATH: '/usr/bin:/bin' } });
    const answer = await bob.run(['ask', 'alice', 'who am I?', '--timeout', '2m']);
    expect(answer).toMatchObject({ status: 0, stdout: 'bob is verified\n' });
    const mail = JSON.parse(written(alice, 'got')) as Mail;
    expect(mail).toMatchObject({ from: 'bob', text: 'who am I?', trust: 'verified' });
    expect(written(alice, 'prompt')).toBe(`${mail.prompt}\n`);
    expect(mail.prompt).toContain('who am I?');
    // A message that asks nothing is handled, and nobody gets the output.
    const told = await bob.run(['send', 'alice', 'by the way', '--wait', 'handled']);
    expect(told).toMatchObject({ status: 0 });
    const { stdout, stderr } = await listen.stop();
    expect(linesOf(stdout)).toEqual([
      expect.stringMatching(/^bob: [0-9a-f]{32}: exit 0$/),
      expect.stringMatching(/^bob: [0-9a-f]{32}: exit 0$/),
    ]);
    expect(stderr).toContain('heard\n');
    expect(await bob.json(['inbox'])).toEqual([]);
  });

  test('refuses with 65, and what it wrote is the reason', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await twoAgents(world);
    const { stop } = await listening(alice, 'echo not my job; exit 65');
    const answer = await bob.run(['ask', 'alice', 'do it', '--timeout', '2m', '--json']);
    expect(answer.status).toBe(4);
    expect(JSON.parse(answer.stderr)).toMatchObject({
      message: expect.stringContaining('not my job'),
    });
    await stop();
  });

  test('gets the message again after 75, which is no failed attempt', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await twoAgents(world);
    const exec = 'echo x >> runs; [ $(wc -l < runs) -gt 7 ] || exit 75; echo at last';
    const { ends, stop } = await listening(alice, exec, { laterMs: 1 });
    const answer = await bob.run(['ask', 'alice', 'later?', '--timeout', '2m']);
    expect(answer).toMatchObject({ status: 0, stdout: 'at last\n' });
    await stop();
    expect(ends.map((end) => (end.kind === 'exit' ? end.code : end))).toEqual([
      ...Array.from({ length: 7 }, () => 75),
      0,
    ]);
    expect(await alice.json(['dead-letters', 'list'])).toEqual([]);
  });

  test('fails five times, and the message is a dead letter; its sender is told', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await twoAgents(world);
    const { ends, stop } = await listening(alice, 'exit 3');
    const told = await bob.run(['send', 'alice', 'hard', '--wait', 'handled']);
    expect(told).toMatchObject({ status: 4, stderr: expect.stringContaining('[FAILED]') });
    await stop();
    expect(ends).toHaveLength(5);
    expect(await alice.json(['dead-letters', 'list'])).toMatchObject([
      { text: 'hard', attempts: 5 },
    ]);
  });

  test('may answer by itself, with the same agent', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await twoAgents(world);
    const agentmesh = `'${process.execPath}' '${MAIN}'`;
    const exec = `${agentmesh} reply $AGENTMESH_ID --data '{"n":42}' && echo ignored`;
    const listen = alice.start(['listen', '--exec', exec], { env: { PATH: '/usr/bin:/bin' } });
    const answer = await bob.run(['ask', 'alice', 'n?', '--timeout', '2m']);
    expect(answer).toMatchObject({ status: 0, stdout: '{"type":"message","n":42}\n' });
    await listen.stop();
  });
});

describe('whatever a program does', () => {
  test('it is stopped at its limit, with all that it began', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await twoAgents(world);
    const exec = 'trap "" TERM; sleep 600 & echo $! > child; echo $$ > parent; wait';
    const { ends, stop } = await listening(alice, exec, { limitMs: 500 });
    await bob.run(['send', 'alice', 'hang']);
    await until(() => ends.length > 0);
    expect(ends[0]).toEqual({ kind: 'lost', reason: 'no end within 500 ms' });
    await until(() => !isAlive(Number(written(alice, 'child'))));
    await until(() => !isAlive(Number(written(alice, 'parent'))));
    await stop();
  });

  test('what it leaves running keeps nobody waiting', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await twoAgents(world);
    const { stop } = await listening(alice, 'sleep 600 & echo $! > child; echo done');
    const answer = await bob.run(['ask', 'alice', 'fork', '--timeout', '2m']);
    expect(answer).toMatchObject({ status: 0, stdout: 'done\n' });
    const child = Number(written(alice, 'child'));
    expect(isAlive(child)).toBe(true);
    process.kill(child);
    await stop();
  });

  test('a flood of output ends it, and so does a signal', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await twoAgents(world);
    const exec = 'if [ -e flooded ]; then kill -9 $$; fi; touch flooded; yes';
    const { ends, stop } = await listening(alice, exec);
    await bob.run(['send', 'alice', 'flood']);
    await until(() => ends.length > 1);
    expect(ends.slice(0, 2)).toEqual([
      { kind: 'lost', reason: expect.stringContaining('bytes of output') },
      { kind: 'lost', reason: 'ended by SIGKILL' },
    ]);
    await stop();
  });

  test('it is stopped when nobody wants the answer any more', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await twoAgents(world);
    const exec = 'echo $$ > parent; sleep 600';
    const { ends, stop } = await listening(alice, exec, { leaseMs: 300 });
    const asked = bob.start(['ask', 'alice', 'long?', '--timeout', '2m']);
    await until(() => written(alice, 'parent').endsWith('\n'));
    const [call] = await bob.json<{ id: string }>(['calls']);
    await bob.run(['call', call?.id ?? '', '--cancel']);
    await until(() => ends.length > 0);
    expect(ends[0]).toEqual({ kind: 'lost', reason: 'not wanted any more' });
    expect((await asked.ended).status).not.toBe(0);
    await stop();
    expect(await alice.json(['dead-letters', 'list'])).toEqual([]);
  });
});

describe('never two wakes', () => {
  test('of one agent: one message after the other, and no second listener', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await twoAgents(world);
    const exec = 'echo begin >> log; sleep 0.05; echo end >> log';
    const { ends, stop } = await listening(alice, exec);
    await until(async () => {
      const second = await alice.run(['listen', '--exec', 'true', '--json']);
      expect(second).toMatchObject({ status: 1, stdout: '' });
      return second.stderr.includes('LISTENER_BUSY');
    });
    for (let n = 0; n < 6; n++) await bob.run(['send', 'alice', `${n}`]);
    await until(() => ends.length === 6);
    await stop();
    const log = linesOf(written(alice, 'log'));
    expect(log).toEqual(Array.from({ length: 12 }, (_, n) => (n % 2 === 0 ? 'begin' : 'end')));
  });

  test('for a batch: the program runs once for what comes together', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await twoAgents(world);
    for (const text of ['one', 'two', 'three']) await bob.run(['send', 'alice', text]);
    await until(async () => (await alice.json<Mail>(['inbox', '--peek'])).length === 3);
    const { ends, stop } = await listening(alice, 'cat >> got; echo run >> runs', { batchMs: 100 });
    await until(() => ends.length > 0);
    await stop();
    const mails = linesOf(written(alice, 'got')).map((line) => JSON.parse(line) as Mail);
    expect(mails.map(({ text }) => text).toSorted()).toEqual(['one', 'three', 'two']);
    expect(linesOf(written(alice, 'runs'))).toEqual(['run']);
    expect(await alice.json(['inbox'])).toEqual([]);
  });

  test('when the holder is killed in the middle: the run counts, once', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob, up } = await twoAgents(world);
    await up.stop();
    const holder = await upProcess(alice);
    const exec = 'echo run >> runs; while [ ! -e go ]; do sleep 0.05; done; echo answered';
    const { ends, stop } = await listening(alice, exec, { leaseMs: 600 });
    const asked = bob.run(['ask', 'alice', 'still there?', '--timeout', '5m']);
    await until(() => written(alice, 'runs') !== '');
    holder.kill('SIGKILL');
    // The listener holds the agent itself by now, or another process does.
    await until(async () => (await alice.run(['whoami'])).status === 0);
    await alice.run(['send', 'bob', 'go']);
    const { writeFileSync } = await import('node:fs');
    writeFileSync(join(alice.folder, 'go'), '');
    expect(await asked).toMatchObject({ status: 0, stdout: 'answered\n' });
    await until(() => ends.length > 0);
    await stop();
    expect(linesOf(written(alice, 'runs'))).toEqual(['run']);
  });
});

describe('up', () => {
  test('wakes what its profile names, until that is taken back', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob, up } = await twoAgents(world);
    await up.stop();
    const env = { PATH: '/usr/bin:/bin' };
    const first = alice.start(['up', '--exec', 'echo first', '--from', 'verified'], { env });
    expect(await bob.run(['ask', 'alice', '1', '--timeout', '2m'])).toMatchObject({
      stdout: 'first\n',
    });
    await first.stop();
    const second = alice.start(['up'], { env });
    expect(await bob.run(['ask', 'alice', '2', '--timeout', '2m'])).toMatchObject({
      stdout: 'first\n',
    });
    await second.stop();
    const third = alice.start(['up', '--no-exec'], { env });
    await until(() => third.said.stdout.includes('is up'));
    const asked = bob.run(['ask', 'alice', '3', '--timeout', '2m']);
    const [question] = await alice.json<Mail>(['inbox', '--wait', '60s']);
    await alice.run(['reply', question?.id ?? '', 'by hand']);
    expect(await asked).toMatchObject({ stdout: 'by hand\n' });
    await third.stop();
  });
});
