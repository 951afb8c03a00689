/**
 * An invite between two machines: two processes, each with a folder of its own, and a real hub. The
 * one makes a line, the other pastes it; nothing is compared, and both are verified.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { NetworkHubServer } from '@agentmesh/hub-server';

const DOOR = new URL('../dist/index.js', import.meta.url).href;
const root = mkdtempSync(join(tmpdir(), 'agentmesh-invite-'));

const children = new Set<ChildProcess>();

afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(root, { recursive: true });
});

interface Machine {
  /** Lines printed so far. */
  readonly lines: string[];
  line(start: string): Promise<string>;
  readonly ended: Promise<number | null>;
}

/** A process in a folder of its own that runs a program as a user writes it. */
function machine(name: string, text: string, environment: Record<string, string>): Machine {
  const folder = mkdtempSync(join(root, `${name}-`));
  const program = `import { Agent, decodeInvite, NetworkHub } from '${DOOR}';
    import process from 'node:process';
    const { INVITE = '', HUB_PORT = '' } = process.env;
    ${text}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.add(child);
  const lines: string[] = [];
  const waiting = new Map<string, (line: string) => void>();
  let rest = '';
  child.stdout.on('data', (bytes: Buffer) => {
    const parts = (rest + String(bytes)).split('\n');
    rest = parts.pop() ?? '';
    for (const line of parts) {
      lines.push(line);
      for (const [start, tell] of waiting) if (line.startsWith(start)) tell(line);
    }
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const line = (start: string): Promise<string> => {
    const said = lines.find((each) => each.startsWith(start));
    return said === undefined
      ? new Promise((resolve) => waiting.set(start, resolve))
      : Promise.resolve(said);
  };
  return { lines, line, ended };
}

const INVITER = `
  const hub = new NetworkHub({ host: '127.0.0.1', port: Number(HUB_PORT), tls: false });
  const bob = await Agent.create('bob', { hub, keypairPath: 'keys/bob.json', acceptFrom: 'ask' });
  bob.onMessage(async (msg) => {
    const { trust, verifiedBy } = msg.provenance;
    console.log('heard', msg.text, trust, verifiedBy);
    await msg.reply('welcome');
    await bob.close();
  });
  console.log(await bob.invite());`;

const JOINER = `
  const { hubs, hubKey } = decodeInvite(INVITE);
  const hub = new NetworkHub({ hosts: hubs, hubKey });
  const alice = await Agent.create('alice', { hub, keypairPath: 'keys/alice.json' });
  const { name, trust, accepted } = await alice.join(INVITE);
  await accepted;
  console.log('joined', name, trust);
  const welcomed = new Promise((resolve) => alice.onMessage(resolve));
  await alice.send('bob', 'hello');
  const msg = await welcomed;
  console.log('heard', msg.text, msg.provenance.trust, msg.provenance.verifiedBy);
  await alice.close();`;

test('two fresh folders, one line: a message each way, both verified, no digits compared', async () => {
  const server = await new NetworkHubServer({ port: 0, data: join(root, 'hub') }).start();
  try {
    const bob = machine('bob', INVITER, { HUB_PORT: String(server.port) });
    const INVITE = await bob.line('agentmesh:');
    const alice = machine('alice', JOINER, { INVITE });
    expect(await alice.ended).toBe(0);
    expect(await bob.ended).toBe(0);
    expect(alice.lines).toEqual(['joined bob verified', 'heard welcome verified invite']);
    expect(bob.lines.slice(1)).toEqual(['heard hello verified invite']);
  } finally {
    await server.stop();
  }
});

test('the same line at a hub with another key: refused before the agent has said anything', async () => {
  const server = await new NetworkHubServer({ port: 0, data: join(root, 'hub-a') }).start();
  const bob = machine('bob', INVITER, { HUB_PORT: String(server.port) });
  const INVITE = await bob.line('agentmesh:');
  const { port } = server;
  await server.stop();
  const liar = await new NetworkHubServer({ port, data: join(root, 'hub-b') }).start();
  try {
    const text = `
      const { hubs, hubKey } = decodeInvite(INVITE);
      const hub = new NetworkHub({ hosts: hubs, hubKey });
      try {
        await Agent.create('alice', { hub, logLevel: 'silent' });
      } catch (error) {
        console.log(error.code);
      }
      process.exit(0);`;
    const alice = machine('alice', text, { INVITE });
    await alice.ended;
    expect(alice.lines).toEqual(['HUB_KEY_CHANGED']);
  } finally {
    await liar.stop();
  }
});
