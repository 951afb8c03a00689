/**
 * A program without key files that is started again, also after it was killed: real processes, a
 * real hub.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import { ready } from '@agentmesh/crypto';
import { NetworkHubServer, SqliteHubStore } from '../src/index.js';

jest.setTimeout(120_000);
beforeAll(() => ready());

/** Two agents and one message; then the process ends as it is told. */
const program = (port: number, options: string, end: string): string => `
import { Agent } from '@agentmesh/agent';
import { NetworkHub } from '@agentmesh/hub-client';
const hub = new NetworkHub({ host: '127.0.0.1', port: ${port} });
try {
  const alice = await Agent.create('alice', { hub });
  const bob = await Agent.create('bob', { hub, ${options} });
  bob.onMessage((msg) => console.log(msg.text));
  await (await alice.send('bob', 'hello')).handled;
  ${end}
} catch (error) {
  console.log(error.code, error.message);
  process.exit(1);
}
`;

const KILLED = "process.kill(process.pid, 'SIGKILL')";
const EXIT = 'process.exit(0)';
const CLOSED = 'await Promise.all([alice.close(), bob.close()])';

/** What the program prints. */
async function inChild(port: number, end: string, options = ''): Promise<string> {
  const args = ['--input-type=module', '-e', program(port, options, end)];
  const cwd = new URL('.', import.meta.url);
  const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  child.stdout.on('data', (data: Buffer) => (printed += data.toString()));
  await once(child, 'close');
  return printed;
}

describe('a program without key files', () => {
  test('works each time it is started, however it ended, but not under kept names', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'agentmesh-second-run-'));
    const open = () => SqliteHubStore.open({ folder: join(folder, 'hub') });
    let store = await open();
    let server = await new NetworkHubServer({ store, port: 0 }).start();
    const { port } = server;
    try {
      for (const end of [CLOSED, EXIT, KILLED, CLOSED])
        expect(await inChild(port, end)).toBe('hello\n');
      await inChild(port, KILLED);
      await server.stop();
      await store.close();
      store = await open();
      server = await new NetworkHubServer({ store, port }).start();
      const path = JSON.stringify(join(folder, 'bob.json'));
      expect(await inChild(port, EXIT, `keypairPath: ${path}`)).toBe('hello\n');
      const refused = await inChild(port, EXIT);
      expect(refused).toMatch(/^NAME_TAKEN .*keypairPath/);
    } finally {
      await server.stop();
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
