/**
 * Whoever answers in place of the hub (protocol.md §2.15): what it learns, and what it can end.
 * Real hubs, real agents and the real client; the machine in the middle has no key of the hub.
 */
import { createServer as createTcpServer, connect as connectTcp } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Agent } from '@agentmesh/agent';
import { HubKeyPair, ready } from '@agentmesh/crypto';
import { NetworkHub } from '@agentmesh/hub-client';
import { createBegin, greet, NO_CHANNEL_BINDING } from '@agentmesh/protocol';
import { encodeFrame, parseClientFrame, sayAsHub } from '@agentmesh/protocol';
import type { ByeFrame, HelloFrame, HubFrame } from '@agentmesh/protocol';
import { certificate } from './served-hub.js';
import { newAgent, rawClient, until, withServer } from './test-clients.js';

const TOKEN = 'an-invitation-worth-stealing';
const open: (() => unknown)[] = [];

await ready();

afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  open.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** A hub's first frame, for whoever signs it. */
function helloOf(hubKey: HubKeyPair, shown: Uint8Array, beginText: string): HubFrame {
  const decoded = parseClientFrame(beginText);
  if (!decoded.ok || decoded.frame.type !== 'begin') throw new TypeError(beginText);
  const begin = { frame: decoded.frame, text: beginText };
  const hello: Omit<HelloFrame, 'proof'> = {
    type: 'hello',
    version: 2,
    features: [],
    hubKey: shown,
    serverNonce: new Uint8Array(32).fill(1),
    time: Date.now(),
    limits: {
      blobBytes: 1_048_576,
      ttlSeconds: 2_592_000,
      inFlight: 1_000,
      signedPrekeys: 2,
      oneTimePrekeys: 100,
      perSecond: 100,
      burst: 500,
      bytesPerSecond: 16_777_216,
      requestsPerSecond: 100,
      requestBurst: 500,
      pending: 64,
    },
  };
  return greet({ hubKey, begin, hello, channelBinding: NO_CHANNEL_BINDING }).frame;
}

describe('T-A35 stolen-token', () => {
  test('a machine in the middle of TLS reads no token, no name and no key', () =>
    withServer({ registration: { mode: 'token', tokens: [TOKEN] } }, async (server) => {
      let heard = '';
      const middle = createTlsServer({ ...(await certificate()), minVersion: 'TLSv1.3' });
      middle.on('secureConnection', (victim) => {
        const options = { port: server.port, host: '127.0.0.1', rejectUnauthorized: false };
        const hub = connectTls(options);
        victim.on('data', (bytes: Buffer) => {
          heard += bytes.toString('latin1');
          hub.write(bytes);
        });
        hub.on('data', (bytes: Buffer) => victim.write(bytes));
        for (const socket of [victim, hub]) socket.on('error', () => socket.destroy());
        victim.once('close', () => hub.destroy());
        hub.once('close', () => victim.destroy());
      });
      const port = await listening(middle);
      const { hubKey } = server;
      const options = { host: '127.0.0.1', hubKey, token: TOKEN } as const;
      const through = new NetworkHub({ ...options, port, connectTimeoutMs: 600 });
      open.push(() => through.close());
      const refused = Agent.create('alice', { hub: through, logLevel: 'silent' });
      await expect(refused).rejects.toMatchObject({ code: 'HUB_UNPROVEN', retryable: true });
      expect(heard).toContain('"type":"begin"');
      expect(heard).not.toContain('"type":"auth"');
      for (const secret of [TOKEN, 'alice']) expect(heard).not.toContain(secret);
      // The name is still free, and the token still good, for who asks the hub itself.
      const direct = new NetworkHub({ ...options, port: server.port });
      open.push(() => direct.close());
      const alice = await Agent.create('alice', { hub: direct, logLevel: 'silent' });
      await alice.close();
    }));
});

/** A way to a hub that an attacker takes over for a while. */
async function way(hubPort: number) {
  const sockets = new Set<Socket>();
  const state: { answer: ((victim: Socket, begin: string) => void) | null; attempts: number } = {
    answer: null,
    attempts: 0,
  };
  const server = createTcpServer((victim) => {
    sockets.add(victim);
    victim.on('error', () => victim.destroy());
    victim.once('close', () => sockets.delete(victim));
    const { answer } = state;
    if (answer === null) {
      const hub = connectTcp(hubPort, '127.0.0.1');
      victim.pipe(hub);
      hub.pipe(victim);
      hub.on('error', () => victim.destroy());
      hub.once('close', () => victim.destroy());
      victim.once('close', () => hub.destroy());
      return;
    }
    state.attempts += 1;
    victim.once('data', (bytes: Buffer) => answer(victim, bytes.toString().trim()));
  });
  const port = await listening(server);
  return {
    port,
    state,
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

describe('T-A36 unproven-refusal-of-an-agent', () => {
  const stranger = HubKeyPair.generate();
  const end = (socket: Socket, frame: HubFrame): void => void socket.end(`${encodeFrame(frame)}\n`);
  const refusals: readonly [
    string,
    string,
    (hubKey: Uint8Array) => (s: Socket, b: string) => void,
  ][] = [
    ...['REVOKED', 'NAME_TAKEN', 'BLOCKED', 'VERSION', 'PLAINTEXT_REFUSED'].map(
      (code): (typeof refusals)[number] => [
        `error ${code} at once`,
        code === 'VERSION' || code === 'PLAINTEXT_REFUSED' ? code : 'HUB_UNPROVEN',
        () => (socket) => end(socket, { type: 'error', code, message: 'x' }),
      ],
    ),
    [
      'bye DISPLACED at once',
      'HUB_UNPROVEN',
      () => (socket) => end(socket, { type: 'bye', code: 'DISPLACED' }),
    ],
    [
      'bye DISPLACED signed by somebody',
      'HUB_UNPROVEN',
      () => (socket) =>
        end(
          socket,
          sayAsHub<ByeFrame>(stranger, new Uint8Array(32), { type: 'bye', code: 'DISPLACED' }),
        ),
    ],
    [
      'the key of the hub without its signature',
      'HUB_UNPROVEN',
      (hubKey) => (socket, begin) => end(socket, helloOf(stranger, hubKey, begin)),
    ],
    [
      'a hello with another key, proved',
      'HUB_KEY_CHANGED',
      () => (socket, begin) => end(socket, helloOf(stranger, stranger.publicKey, begin)),
    ],
    [
      'the greeting of a hub that speaks first',
      'VERSION',
      () => (socket) => void socket.end('{"type":"hello","versions":[2]}\n'),
    ],
  ];

  test.each(refusals)(
    '%s is reported as %s, tried again, and ends nothing',
    (_, code, answer) =>
      withServer({}, async (server) => {
        const road = await way(server.port);
        const { hubKey } = server;
        const hub = new NetworkHub({ host: '127.0.0.1', port: road.port, tls: false, hubKey });
        open.push(() => hub.close());
        const alice = await Agent.create('alice', { hub, logLevel: 'silent' });
        open.push(() => alice.close());
        const news: string[] = [];
        alice.on('connection', ({ state, error }) => news.push(`${state} ${error?.code ?? ''}`));
        road.state.answer = answer(hubKey);
        road.cut();
        await until(() => news.includes(`offline ${code}`));
        await until(() => road.state.attempts >= 3);
        road.state.answer = null;
        road.cut();
        await until(() => news.at(-1) === 'online ', 20_000);
        expect(news.some((text) => text.startsWith('ended'))).toBe(false);
        expect(await alice.listPeers()).toEqual(['alice']);
      }),
    30_000,
  );

  test('a proved hub ends an agent with one signed word', () =>
    withServer({}, async (server) => {
      const hub = new NetworkHub({ host: '127.0.0.1', port: server.port, tls: false });
      open.push(() => hub.close());
      const alice = await Agent.create('alice', { hub, logLevel: 'silent' });
      const bob = await Agent.create('bob', { hub, logLevel: 'silent' });
      open.push(() => Promise.all([alice.close(), bob.close()]));
      const news: string[] = [];
      alice.on('connection', ({ state, error }) => news.push(`${state} ${error?.code ?? ''}`));
      await bob.connect('alice');
      await bob.revoke(alice.revocation());
      await until(() => news.includes('ended REVOKED'));
      expect(news).not.toContain('offline HUB_UNPROVEN');
    }));
});

describe('old and new ends', () => {
  test(
    'an old client, which waits for the hub to speak, is told what to upgrade',
    () =>
      withServer({}, async (server) => {
        const client = await rawClient(server.port);
        client.sendText('');
        const error = await client.next('error');
        expect(error).toMatchObject({
          code: 'VERSION',
          message: expect.stringContaining('upgrade'),
        });
        await client.closed();
      }),
    20_000,
  );

  test('an old hub, which speaks first, is told apart at the first connection', async () => {
    const port = await listening(
      createTcpServer((socket) => {
        socket.on('error', () => socket.destroy());
        socket.write('{"type":"hello","versions":[2],"hubKey":"x"}\n');
      }),
    );
    const hub = new NetworkHub({ host: '127.0.0.1', port, tls: false });
    open.push(() => hub.close());
    const events = {
      authenticated() {},
      deliver() {},
      notice() {},
      down() {},
      closed() {},
    };
    const connecting = hub.connect(newAgent('alice').credentials(), events);
    await expect(connecting).rejects.toMatchObject({
      code: 'VERSION',
      message: 'The hub speaks an older protocol, in which it greets first: upgrade the hub',
    });
    expect(createBegin(new Uint8Array(32)).frame.versions).toEqual([2]);
  });
});
