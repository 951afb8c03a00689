/**
 * What a program with agents holds while it serves, and what is left of it after `close()`: with a
 * hub that answers, with one whose connections are half-open, and with somebody who is no hub.
 */
import { spawn } from 'node:child_process';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { HubProcess } from './hub-process.js';
import { certificate } from './served-hub.js';
import { inFolder } from './store-samples.js';
import { until } from './test-clients.js';

const HERE = fileURLToPath(new URL('..', import.meta.url));

/** A program in a process of its own. */
function run(text: string) {
  const program = `import { Agent } from '@agentmesh/agent';
    import { NetworkHub } from '@agentmesh/hub-client';
    ${text}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { cwd: HERE });
  const state = { out: '', exitedMs: 0, code: null as number | null };
  child.stdout.on('data', (bytes: Buffer) => (state.out += String(bytes)));
  child.once('exit', (code) => {
    state.exitedMs = Date.now();
    state.code = code;
  });
  return {
    state,
    tell: (word: string) => child.stdin.end(`${word}\n`),
    kill: () => child.kill('SIGKILL'),
  };
}

const OPTIONS = {
  tcp: (port: number) => `{ host: '127.0.0.1', port: ${port}, tls: false }`,
  tls: (port: number) => `{ host: '127.0.0.1', port: ${port} }`,
  websocket: (port: number) => `'ws://127.0.0.1:${port}'`,
} as const;
const KINDS = Object.keys(OPTIONS) as (keyof typeof OPTIONS)[];

/** Connects, says so, and closes at the first word that it is told. */
const program = (options: string): string => `
  const hub = new NetworkHub(${options});
  const agent = await Agent.create('alice', { hub, logLevel: 'silent' });
  agent.onMessage(() => {});
  console.log('up');
  process.stdin.once('data', async () => {
    process.stdin.destroy();
    await agent.close();
    await hub.close();
    console.log('closed');
  });`;

describe.each(KINDS)('a program over %s', (kind) => {
  test(
    'goes on as long as it serves, and ends with close()',
    () =>
      inFolder(async (folder) => {
        const hub = await HubProcess.start(folder);
        const client = run(program(OPTIONS[kind](hub.port)));
        await until(() => client.state.out.includes('up'), 20_000);
        await new Promise((resolve) => {
          setTimeout(resolve, 1_500);
        });
        expect(client.state.exitedMs).toBe(0);
        const toldMs = Date.now();
        client.tell('close');
        await until(() => client.state.exitedMs > 0, 15_000);
        expect(client.state).toMatchObject({ code: 0, out: 'up\nclosed\n' });
        expect(client.state.exitedMs - toldMs).toBeLessThan(3_000);
        await hub.kill();
      }),
    60_000,
  );

  test(
    'T-A15 half-open: close() leaves nothing behind, though the hub answers nothing',
    () =>
      inFolder(async (folder) => {
        const hub = await HubProcess.start(folder);
        const client = run(program(OPTIONS[kind](hub.port)));
        await until(() => client.state.out.includes('up'), 20_000);
        await hub.freeze();
        const toldMs = Date.now();
        client.tell('close');
        await until(() => client.state.exitedMs > 0, 30_000);
        client.kill();
        expect(client.state.code).toBe(0);
        expect(client.state.exitedMs - toldMs).toBeLessThan(10_000);
        await hub.kill();
      }),
    60_000,
  );
});

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}

describe('T-A39 endless-frame', () => {
  /** Sends one frame without end, in pieces of one byte, to whoever connects. */
  function drip(socket: Socket, sent: { bytes: number; open: number }): void {
    const piece = Buffer.from(' ');
    sent.open += 1;
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => (sent.open -= 1));
    const more = (): void => {
      if (socket.destroyed) return;
      sent.bytes += 1;
      socket.write(piece, () => setImmediate(more));
    };
    more();
  }

  test.each(['tcp', 'tls'] as const)(
    'somebody who is no hub costs a client over %s bounded memory, and its sockets are closed',
    async (kind) => {
      const sent = { bytes: 0, open: 0 };
      const server =
        kind === 'tcp'
          ? createTcpServer((socket) => drip(socket, sent))
          : createTlsServer({ ...(await certificate()), minVersion: 'TLSv1.3' }, (socket) =>
              drip(socket, sent),
            );
      const port = await listening(server);
      const client = run(`
        const hub = new NetworkHub({ host: '127.0.0.1', port: ${port}, tls: ${kind === 'tls'},
          connectTimeoutMs: 3000 });
        const before = process.memoryUsage();
        await Agent.create('alice', { hub, logLevel: 'silent' }).catch(({ code }) => {
          const { arrayBuffers } = process.memoryUsage();
          console.log(code, arrayBuffers - before.arrayBuffers < 2 ** 20 ? 'small' : arrayBuffers);
        });
        await hub.close();`);
      await until(() => client.state.exitedMs > 0, 40_000);
      client.kill();
      expect(client.state.out).toBe('CONNECTION_LOST small\n');
      expect(client.state.code).toBe(0);
      await until(() => sent.open === 0, 5_000);
      expect(sent.bytes).toBeGreaterThan(1_000);
      server.close();
    },
    60_000,
  );
});
