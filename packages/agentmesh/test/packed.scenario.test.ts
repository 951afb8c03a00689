/**
 * The command as people get it: installed from packed tarballs in an empty folder, on two machines
 * that are two home folders. What a person types is counted.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { closureOf, installIn, packAll } from '../../../scripts/packing.mjs';

jest.setTimeout(300_000);

const folder = mkdtempSync(join(tmpdir(), 'am-'));
const installed = join(folder, 'user');
/** Everything that a person has typed. */
const typed: string[] = [];
const running = new Set<ChildProcess>();

beforeAll(() => {
  mkdirSync(installed);
  const names = [...closureOf('agentmesh').keys()];
  const tarballs = packAll(names, join(folder, 'tarballs'));
  installIn(installed, tarballs, { wanted: ['agentmesh'] });
});

afterEach(() => {
  typed.length = 0;
  for (const child of running) kill(child, 'SIGKILL');
});
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

interface Terminal {
  readonly child: ChildProcess;
  readonly said: { stdout: string; stderr: string };
  readonly ended: Promise<{ stdout: string; stderr: string; status: number | null }>;
}

/** A home folder of its own. */
class Machine {
  readonly home: string;

  constructor(name: string) {
    this.home = join(folder, name);
    mkdirSync(this.home, { mode: 0o700 });
  }

  /** Puts a program there. */
  program(name: string, script: string): void {
    writeFileSync(join(this.home, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(this.home, name), 0o755);
  }

  file(name: string): string {
    const path = join(this.home, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  /** A person types a command; it goes on. */
  type(line: string): Terminal {
    typed.push(line);
    const bin = join(installed, 'node_modules', '.bin');
    const env = { PATH: `${bin}:${process.env['PATH'] ?? ''}`, HOME: this.home };
    const options = { cwd: this.home, env, detached: true, stdio: 'pipe' } as const;
    const child = spawn('/bin/sh', ['-c', `exec ${line}`], options);
    running.add(child);
    const said = { stdout: '', stderr: '' };
    child.stdout.on('data', (bytes: Buffer) => void (said.stdout += bytes.toString()));
    child.stderr.on('data', (bytes: Buffer) => void (said.stderr += bytes.toString()));
    const ended = once(child, 'close').then(() => {
      running.delete(child);
      return { ...said, status: child.exitCode };
    });
    return { child, said, ended };
  }

  /** And looks at what it printed once it has ended. */
  run(line: string): Terminal['ended'] {
    return this.type(line).ended;
  }

  async status(): Promise<{ readonly outbox: number; readonly inbox: number }> {
    const { stdout } = await this.run('agentmesh status --json');
    return JSON.parse(stdout) as { outbox: number; inbox: number };
  }
}

function kill({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // It has ended already.
  }
}

async function killed({ child, ended }: Terminal): Promise<void> {
  // The process itself: what it has begun is on its own.
  child.kill('SIGKILL');
  await ended;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) {
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
}

async function isUp(terminal: Terminal): Promise<void> {
  await until(() => terminal.said.stdout.includes('is up') || terminal.child.exitCode !== null);
  // After a kill it may warn of what comes a second time.
  expect({ exit: terminal.child.exitCode, ...terminal.said }).toMatchObject({ exit: null });
}

describe('from packed tarballs, on two machines', () => {
  test('the first exchange takes four commands', async () => {
    const [one, two] = [new Machine('one'), new Machine('two')];
    one.program('agent.sh', 'echo "hello $AGENTMESH_FROM"');
    await isUp(one.type('agentmesh up --name alice --exec ./agent.sh'));
    const { stdout: link } = await one.run('agentmesh invite');
    const joined = await two.run(`agentmesh join ${link.trim()} --name bob`);
    expect(joined).toMatchObject({ status: 0, stderr: '' });
    const answer = await two.run('agentmesh ask alice "are you there?"');
    expect(answer).toEqual({ status: 0, stdout: 'hello bob\n', stderr: '' });
    expect(typed).toHaveLength(4);
  });

  test('kill -9 of holders and hub in the middle loses nothing', async () => {
    const [one, two] = [new Machine('three'), new Machine('four')];
    one.program('agent.sh', 'cat >> got');
    two.program('agent.sh', 'cat >> got; while [ ! -e go ]; do sleep 0.1; done; echo done');
    // The hub is in this process too.
    const up = one.type('agentmesh up --name alice --exec ./agent.sh');
    await isUp(up);
    const { stdout: link } = await one.run('agentmesh invite');
    await two.run(`agentmesh join ${link.trim()} --name bob`);
    const listening = two.type('agentmesh listen --exec ./agent.sh');
    const asked = one.type('agentmesh ask bob "a long job" --timeout 20m');
    await until(() => two.file('got') !== '');
    await killed(listening);
    expect(await one.run('agentmesh send bob "and one more"')).toMatchObject({ status: 0 });
    // Bob has been at the hub since he was killed.
    expect(await two.status()).toMatchObject({ outbox: 0 });
    await killed(up);
    // Without holder and hub a message is kept.
    const kept = await two.run('agentmesh send alice "I am still here" --timeout 5s');
    expect(kept).toMatchObject({ status: 7, stdout: expect.stringMatching(/^queued /) });
    // The question has gone on: it makes way for whoever holds the agent and stays.
    const again = one.type('agentmesh up');
    await isUp(again);
    writeFileSync(join(two.home, 'go'), '');
    await isUp(two.type('agentmesh up --exec ./agent.sh'));
    expect(await asked.ended).toEqual({ status: 0, stdout: 'done\n', stderr: '' });
    await until(() => one.file('got').includes('I am still here'));
    await until(() => two.file('got').includes('and one more'));
    for (const machine of [one, two]) {
      await until(async () => {
        const { outbox, inbox } = await machine.status();
        return outbox + inbox === 0;
      });
    }
    // What was handled came once; the job whose program was killed came again.
    expect(one.file('got').trim().split('\n')).toHaveLength(1);
    const texts = two.file('got').trim().split('\n');
    expect(texts.filter((line) => line.includes('and one more'))).toHaveLength(1);
    expect(texts.filter((line) => line.includes('a long job'))).toHaveLength(2);
  });
});
