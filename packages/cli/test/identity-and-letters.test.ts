/**
 * The `agentmesh` command as a process: what it prints, what it refuses, and that an agent goes on
 * with what it was told.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SqliteAgentStore } from '@agentmesh/agent/node';
import { createKeyFile, loadOrCreateKeyFile } from '@agentmesh/crypto/node';
import { NetworkHubServer } from '@agentmesh/hub-server';
import { Agent } from '@agentmesh/agent';
import { AgentKeyPair } from '@agentmesh/crypto';
import { NetworkHub } from '@agentmesh/hub-client';
import { LocalHub } from '@agentmesh/hub-local';
import type { CommandProcess } from '../src/command/process.js';
import { programOf, run } from '../src/command/run.js';
import { quoted } from '../src/command/shown.js';
import { MAIN } from './command-world.js';

const folder = mkdtempSync(join(tmpdir(), 'agentmesh-command-'));
const keys = join(folder, 'bob.json');
const evil = 'line\nnext \u001B[2J red \u202E txt.exe \u0085';

afterAll(() => rmSync(folder, { recursive: true }));

interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function agentmesh(args: readonly string[], env: Record<string, string> = {}): Result {
  const options = { encoding: 'utf8', env: { ...process.env, ...env }, timeout: 60_000 } as const;
  return spawnSync(process.execPath, [MAIN, ...args], options);
}

/** The same in this process, with a terminal at which somebody answers, or without one. */
async function inProcess(args: readonly string[], answer?: string): Promise<Result> {
  const said = { stdout: '', stderr: '', status: 0 };
  const own = processOf(args, (code) => void (said.status = code));
  await run({
    ...own,
    print: (text) => void (said.stdout += text),
    complain: (text) => void (said.stderr += text),
    ask:
      answer === undefined
        ? null
        : async (question) => {
            said.stderr += question;
            return answer;
          },
  });
  return said;
}

function processOf(args: readonly string[], exit: (code: number) => void): CommandProcess {
  return {
    args,
    env: { HOME: folder },
    cwd: folder,
    version: '1.2.3',
    stdin: Readable.from([]),
    onStop: () => () => undefined,
    print: () => undefined,
    complain: () => undefined,
    exit,
    ask: null,
    choose: null,
    confirm: null,
  };
}

/** One line on stderr, nothing on stdout, and a code that is not 0. */
function expectRefusal(result: Result, status: number, what: string): void {
  expect(result.stderr).toMatch(/^agentmesh: [^\n]+\n$/);
  expect(result.stderr).toContain(what);
  expect([result.stdout, result.status]).toEqual(['', status]);
}

/** Bob handles what is in his inbox; returns what he saw. */
async function runBob(hub: LocalHub): Promise<string[]> {
  const bob = await Agent.create('bob', { hub, keypairPath: keys, logLevel: 'silent' });
  const texts: string[] = [];
  bob.onMessage(({ text }) => void texts.push(text));
  while ((await bob.status()).inbox > 0) {
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
  await bob.close();
  return texts;
}

describe('agentmesh prints', () => {
  test('its version', () => {
    expect(agentmesh(['--version'])).toMatchObject({ stdout: '1.2.3\n', status: 0 });
  });

  test('its help, with every command, also when nothing is asked', async () => {
    const { stdout, status } = agentmesh(['--help']);
    expect(status).toBe(0);
    const names = programOf(processOf([], () => undefined)).commands.map((each) => each.name());
    expect(names).toContain('dead-letters');
    for (const name of names) expect(stdout).toContain(`  ${name}`);
    expect(stdout).toContain('AGENTMESH_PASSPHRASE');
    expect(await inProcess([])).toMatchObject({ stdout, status: 0 });
  });
});

describe('agentmesh refuses', () => {
  test.each([
    [['dead-letters'], 'one of its commands; see agentmesh dead-letters --help'],
    [['dead-letters', 'eat', '--keys', keys], "unknown command 'eat'"],
    [['dead-letters', 'list', 'x', '--keys', keys], 'too many arguments'],
    [
      ['dead-letters', 'retry', '--keys', keys],
      "argument 'id'; see agentmesh dead-letters retry --help",
    ],
    [['dead-letters', 'drop', 'ab', '--keys', keys], '32 hex digits'],
    [['identity', 'show', '--passphrase', 'x'], '--passphrase'],
    [['identity', 'revoke', 'x', '--keys', keys], '--hub'],
    [['identity', 'revoke', '--keys', keys, '--hub', 'h'], 'missing required argument'],
  ])('%j', async (args, what) => {
    expectRefusal(await inProcess(args), 2, what);
  });

  test('with the codes of its process', () => {
    expectRefusal(agentmesh(['eat']), 2, "unknown command 'eat'; see agentmesh --help");
  });

  test('a key file that is not there', async () => {
    const missing = join(folder, 'nobody.json');
    const result = await inProcess(['identity', 'show', '--keys', missing]);
    expectRefusal(result, 1, 'KEY_FILE_NOT_FOUND');
  });
});

describe('agentmesh identity', () => {
  test('makes keys and prints the revocation, which another agent can show', async () => {
    const path = join(folder, 'new.json');
    const made = JSON.parse(agentmesh(['identity', 'create', '--keys', path, '--json']).stdout);
    expect((await loadOrCreateKeyFile(path)).keyPair.address).toBe(made.address);
    expectRefusal(agentmesh(['identity', 'create', '--keys', path]), 1, 'KEY_FILE_EXISTS');
    const again = agentmesh(['identity', 'revocation', '--keys', path]);
    expect(again).toMatchObject({ status: 0, stderr: '' });
    expect(again.stdout).toContain(made.fingerprint);
    const server = await new NetworkHubServer({ port: 0, data: join(folder, 'hub') }).start();
    const hub = new NetworkHub({ host: '127.0.0.1', port: server.port });
    const other = join(folder, 'other.json');
    const names = { lost: path, other };
    for (const [name, keypairPath] of Object.entries(names)) {
      const agent = await Agent.create(name, { hub, keypairPath, logLevel: 'silent' });
      await agent.close();
    }
    const address = `127.0.0.1:${server.port}`;
    const revoke = (record: string): Promise<Result> =>
      inProcess(['identity', 'revoke', record, '--keys', other, '--hub', address]);
    expectRefusal(await revoke('x'), 2, 'neither a revocation of 147 characters');
    expectRefusal(await revoke('A'.repeat(147)), 1, 'BAD_RECORD');
    expect(await revoke(made.revocation)).toMatchObject({
      stdout: 'revoked for ever\n',
      status: 0,
    });
    await expect(Agent.create('lost', { hub, keypairPath: path })).rejects.toMatchObject({
      code: 'REVOKED',
    });
    await hub.close();
    await server.stop();
  });

  test('protects new keys by the passphrase of the environment', () => {
    const path = join(folder, 'protected.json');
    const env = { AGENTMESH_PASSPHRASE: 'a long passphrase' };
    expect(agentmesh(['identity', 'create', '--keys', path], env).status).toBe(0);
    expect(readFileSync(path, 'utf8')).toContain('"protection": "scrypt"');
    expectRefusal(agentmesh(['identity', 'revocation', '--keys', path]), 1, 'PASSPHRASE_REQUIRED');
  });
});

describe('agentmesh dead-letters', () => {
  const hub = new LocalHub();
  let ids: string[] = [];

  /** Three letters, as a handler that fails five times leaves them. */
  beforeAll(async () => {
    const alice = await Agent.create('alice', { hub, logLevel: 'silent' });
    const { keyPair, storeKey } = await loadOrCreateKeyFile(keys, { unprotected: true });
    const inner = SqliteAgentStore.beside(keys, { storeKey });
    // Waiting between attempts is not what is tested here: each look at the clock is a second.
    let seconds = 0;
    const runtime = {
      now: () => Date.now() + 1_000 * seconds++,
      schedule(delayMs: number, task: () => void) {
        const timer = delayMs < 60_000 ? setTimeout(task, 5) : undefined;
        return () => clearTimeout(timer);
      },
    };
    const bob = await Agent.create('bob', {
      hub,
      keyPair,
      store: inner,
      runtime,
      logLevel: 'silent',
    });
    bob.onMessage(() => {
      throw new TypeError('never');
    });
    for (const text of ['one', evil, 'three']) await alice.send('bob', { text, n: [1, 2] });
    while ((await bob.deadLetters()).length < 3) {
      await new Promise((resolve) => {
        setTimeout(resolve, 20);
      });
    }
    ids = (await bob.deadLetters()).map(({ id }) => id);
    expectRefusal(agentmesh(['dead-letters', 'list', '--keys', keys]), 75, 'HOLDER_SILENT');
    const identity = agentmesh(['identity', 'show', '--keys', keys]);
    expect(identity.stdout).toMatch(/^name +not known/);
    expect(identity.stdout).toContain(bob.fingerprint);
    await bob.close();
    await alice.close();
  });

  afterAll(() => hub.close());

  test('list has one line for each, whatever a peer has written', () => {
    const { stdout, status } = agentmesh(['dead-letters', 'list', '--keys', keys]);
    expect(status).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((line) => line.slice(0, 32))).toEqual(ids);
    expect(lines[0]).toMatch(/ 20\d\d-\S+Z {2}alice {2}5 attempts {2}"one"$/);
    for (const unseen of ['\u001B', '\u202E', '\u0085']) expect(stdout).not.toContain(unseen);
    const json = agentmesh(['dead-letters', 'list', '--json', '--keys', keys]).stdout;
    expect(JSON.parse(json.split('\n')[1] ?? '')).toMatchObject({ id: ids[1], text: evil });
  });

  test('show prints all that is known of one', async () => {
    const { stdout } = agentmesh(['dead-letters', 'show', ids[1] ?? '', '--keys', keys]);
    expect(stdout).toContain('sender       alice (');
    expect(stdout).toContain(`  "text": ${quoted(evil)}\n  "n": [1,2]\n`);
    const unknown = ['dead-letters', 'show', '0'.repeat(32), '--keys', keys];
    expectRefusal(await inProcess(unknown), 1, 'NO_DEAD_LETTER');
  });

  test('retry and drop: the agent handles the ones, and the others are gone', async () => {
    const [one = '', two = '', three = ''] = ids;
    const retried = agentmesh(['dead-letters', 'retry', one, three, '--keys', keys]);
    expect(retried).toMatchObject({ status: 0, stdout: '2 in the inbox again: start the agent\n' });
    expect(agentmesh(['dead-letters', 'drop', two, '--keys', keys]).stdout).toBe('1 dropped\n');
    expect(agentmesh(['dead-letters', 'list', '--keys', keys]).stdout).toBe('');
    expect(await runBob(hub)).toEqual(['one', 'three']);
    const { stdout } = agentmesh(['identity', 'show', '--json', '--keys', keys]);
    expect(JSON.parse(stdout)).toMatchObject({ name: 'bob' });
  });
});

describe('a protected key file', () => {
  const protectedKeys = join(folder, 'carol.json');
  const show = ['identity', 'show', '--keys', protectedKeys];
  let fingerprint = '';

  beforeAll(async () => {
    const { keyPair } = await createKeyFile(protectedKeys, { passphrase: 'open sesame' });
    ({ fingerprint } = keyPair);
    expect(keyPair).toBeInstanceOf(AgentKeyPair);
  });

  test('opens with the passphrase of the environment', () => {
    const { stdout } = agentmesh(show, { AGENTMESH_PASSPHRASE: 'open sesame' });
    expect(stdout).toContain(fingerprint);
    const wrong = agentmesh(show, { AGENTMESH_PASSPHRASE: 'open barley' });
    expectRefusal(wrong, 1, 'KEY_FILE_WRONG_PASSPHRASE');
  });

  test('asks for it on a terminal, and is refused where nobody answers', async () => {
    const { stdout, stderr } = await inProcess(show, 'open sesame');
    expect(stdout).toContain(fingerprint);
    expect(stderr).toBe(`Passphrase of ${protectedKeys}: `);
    expectRefusal(await inProcess(show), 1, 'KEY_FILE_PASSPHRASE_REQUIRED');
  });
});
