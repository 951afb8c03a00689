/**
 * A short round of the command against the hub and the agent of this repository, and the same
 * attacks on a hub and an agent that keep no promise: there each must be seen to succeed.
 */
import { execFile, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ready } from '@agentmesh/crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { CATALOGUE } from '../src/catalogue.js';
import { FalseHub } from '../src/sandbox/false-hub.js';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const CARELESS = fileURLToPath(new URL('careless-agent.mjs', import.meta.url));
const LIMIT_MS = 900_000;

beforeAll(() => ready());

interface Line {
  readonly name?: string;
  readonly verdict?: string;
  readonly seen?: string;
  readonly summary?: Readonly<Record<string, number>>;
}

/** Runs the command; its exit code, its lines of JSON or its text, and its errors. */
function attack(args: readonly string[]) {
  return new Promise<{ code: number; lines: Line[]; text: string; errors: string }>((resolve) => {
    const options = { timeout: LIMIT_MS, maxBuffer: 2 ** 24 };
    const child = execFile(process.execPath, [MAIN, ...args], options, (_, text, errors) => {
      const lines = args.includes('--json')
        ? text
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line) as Line)
        : [];
      resolve({ code: child.exitCode ?? -1, lines, text, errors });
    });
  });
}

const unlike = (lines: readonly Line[], verdict: string): Line[] =>
  lines.filter((line) => line.verdict !== undefined && line.verdict !== verdict);

test(
  'the attack kit: every attack of a short round is refused or bounded',
  async () => {
    const { code, lines } = await attack(['--short', '--json']);
    expect(unlike(lines, 'held')).toEqual([]);
    expect(code).toBe(0);
    const short = CATALOGUE.filter(({ isLong }) => isLong !== true);
    expect(lines.at(-1)?.summary).toMatchObject({ held: short.length });
  },
  LIMIT_MS,
);

describe('where promises are not kept', () => {
  test('attacks on a hub are seen to succeed, and the exit code says so', async () => {
    const hub = await FalseHub.start();
    const { port } = hub.target;
    const names = ['taken-name', 'borrowed-identity', 'replayed-proof', 'words-before-proof'];
    const address = ['--hub', `tcp://127.0.0.1:${port}`, '--only', names.join(',')];
    const { code, lines } = await attack([...address, '--json']);
    hub.stop();
    expect(unlike(lines, 'broken')).toEqual([]);
    expect(lines.at(-1)?.summary).toMatchObject({ broken: names.length });
    expect(code).toBe(1);
  });

  test('a web server that answers every page is seen to', async () => {
    const server = createServer((_, response) => response.end('welcome'));
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as AddressInfo;
    const args = ['--hub', `tcp://127.0.0.1:${port}`, '--only', 'foreign-page', '--json'];
    const { code, lines } = await attack(args);
    server.close();
    expect([lines[0]?.verdict, code]).toEqual(['broken', 1]);
  });

  test('attacks on an agent are seen to succeed', async () => {
    const names = ['stolen-token', 'unproven-refusal', 'credit-overrun', 'another-hub'];
    const { code, lines } = await attack([
      ...['--agent', CARELESS, '--only', names.join(','), '--limit', '60', '--json'],
    ]);
    expect(unlike(lines, 'broken')).toEqual([]);
    expect(code).toBe(1);
  });

  test('a hub that is not there leaves attacks untried', async () => {
    const { code, lines } = await attack([
      '--hub',
      'tcp://127.0.0.1:1',
      '--only',
      'T-A1',
      '--json',
    ]);
    expect(lines[0]).toMatchObject({ verdict: 'untried' });
    expect(code).toBe(3);
  });
});

/** Processes that this one has started; only where the system shows them as files. */
function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => parentOf(name) === pid)
    .map(Number);
}

/** Null where it is over. */
function parentOf(pid: number | string): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' ? null : Number(parent);
  } catch {
    return null;
  }
}

(process.platform === 'linux' ? test : test.skip)(
  'a round that is killed leaves no process behind',
  async () => {
    const round = spawn(process.execPath, [MAIN, '--only', 'silent-crowd,giant-frame']);
    const pid = round.pid ?? 0;
    while (childrenOf(pid).length === 0) await pause(20);
    const children = childrenOf(pid);
    round.kill('SIGKILL');
    while (children.some((child) => parentOf(child) !== null)) await pause(20);
    expect(children.length).toBeGreaterThan(0);
  },
  LIMIT_MS,
);

describe('the command', () => {
  test('lists what it would try, with tests that exist', async () => {
    const { code, lines } = await attack(['--list', '--json']);
    expect(lines.map(({ name }) => name)).toEqual(CATALOGUE.map(({ name }) => name));
    expect(code).toBe(0);
    const { text } = await attack(['--list', '--against', 'agent']);
    expect(text).toContain('stolen-token (T-A35, agent)');
    expect(text).not.toContain('taken-name');
  });

  test.each([
    [['--only', 'rain'], '--only: there is no attack rain'],
    [['--hub', 'http://x'], '--hub: host, host:port, tcps://… or tcp://…, not http://x'],
    [['--hub-key', 'x'], '--hub-key: give --hub too'],
    [['--hub', 'x', '--hub-key', 'y'], '--hub-key: 43 characters, as the hub prints it'],
    [['--against', 'me'], '--against: hub or agent, not me'],
    [['--limit', '0'], '--limit: seconds, not 0'],
    [['--ratio', '0.5'], '--ratio: a number from 1 on, not 0.5'],
  ])('refuses %s with a sentence and exit code 2', async (args, text) => {
    const { code, errors } = await attack(args);
    expect(errors).toContain(`attack: ${text}\n`);
    expect(code).toBe(2);
  });

  test('explains itself', async () => {
    const { code, text } = await attack(['--help']);
    expect(text).toContain('Exits with 0 if every promise held');
    expect(code).toBe(0);
  });
});
