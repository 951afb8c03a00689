/**
 * Attacks on the connection itself, against the real server (tests.md T-A): relays, floods of
 * bytes, and peers that say nothing.
 */
import { createServer, connect as connectTcp } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { describe, expect, test } from '@jest/globals';
import { WebSocket as WsClient } from 'ws';
import { HubMetrics } from '../src/index.js';
import { certificate } from './served-hub.js';
import {
  bareSocket,
  join,
  newAgent,
  pause,
  rawClient,
  rawClientAndSocket,
  until,
  withServer,
} from './test-clients.js';

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'resolved',
    (error: unknown) => (error as { code: unknown }).code,
  );

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}

/** Ends TLS on both sides with a certificate of its own, and may change what passes. */
async function machineInTheMiddle(port: number, change: (text: string) => string) {
  const server = createTlsServer({ ...(await certificate()), minVersion: 'TLSv1.3' });
  server.on('secureConnection', (victim: TLSSocket) => {
    const options = { port, host: '127.0.0.1', rejectUnauthorized: false };
    const hub = connectTls(options, () => {
      victim.on('data', (bytes: Buffer) => hub.write(change(bytes.toString('latin1')), 'latin1'));
      hub.on('data', (bytes: Buffer) => victim.write(bytes));
    });
    for (const socket of [victim, hub]) socket.on('error', () => undefined);
    victim.once('close', () => hub.destroy());
    hub.once('close', () => victim.destroy());
  });
  return { port: await listening(server), close: () => server.close() };
}

describe('a machine in the middle', () => {
  test('T-A2 challenge-relay: a relay with its own certificate gets nobody authenticated', () =>
    withServer({}, async (server) => {
      const relay = await machineInTheMiddle(server.port, (text) => text);
      expect(await codeOf(join(relay.port, newAgent('alice'), {}, 'tls'))).toBe('HUB_UNPROVEN');
      // The name is still free: nothing was bound.
      expect(await codeOf(join(server.port, newAgent('alice'), {}, 'tls'))).toBe('resolved');
      relay.close();
    }));

  test('T-A4 wrong-cbType: the kind of binding changed in flight is refused', () =>
    withServer({ allowPlaintext: true, behindProxy: false }, async (server) => {
      for (const type of [0, 2]) {
        const change = (text: string) =>
          text.replace('"channelBinding":1', `"channelBinding":${type}`);
        const relay = await machineInTheMiddle(server.port, change);
        expect(await codeOf(join(relay.port, newAgent('alice'), {}, 'tls'))).toBe('HUB_UNPROVEN');
        relay.close();
      }
    }));

  test('a forwarder that leaves TLS alone is no obstacle', () =>
    withServer({}, async (server) => {
      const forwarder = createServer((from) => {
        const to = connectTcp({ port: server.port, host: '127.0.0.1' });
        from.pipe(to).pipe(from);
        for (const socket of [from, to]) socket.on('error', () => socket.destroy());
      });
      const port = await listening(forwarder);
      const connection = await join(port, newAgent('alice'), {}, 'tls');
      expect(await connection.list({})).toEqual({ names: [], next: null });
      await connection.close();
      forwarder.close();
    }));
});

const meter = new HubMetrics();

describe('peers that say little or nothing', () => {
  const limits = { authenticationMs: 1_000, silenceMs: 1_500 };

  test('T-A14 slowloris: whoever dribbles is gone when the time to authenticate is over', () =>
    withServer({ limits }, async (server) => {
      const starts = [
        '',
        '\u0016\u0003\u0001\u0002\u0000\u0001',
        '{"type":"auth",',
        'GET /healthz HTTP/1.1\r\nX-A: ',
      ];
      const dribbling = await Promise.all(
        starts.map(async (start) => {
          const peer = await bareSocket(server.port);
          peer.socket.write(start, 'latin1');
          const timer = setInterval(() => peer.socket.write('a'), 50);
          const startedMs = Date.now();
          await peer.ended;
          clearInterval(timer);
          return Date.now() - startedMs;
        }),
      );
      for (const ms of dribbling) expect(ms).toBeLessThan(3_000);
      await until(() => server.connections === 0);
    }));

  test('50 connections of one address may be unauthenticated, the next is closed at once', () =>
    withServer({}, async (server) => {
      const peers = await Promise.all(Array.from({ length: 50 }, () => bareSocket(server.port)));
      await pause(50);
      const oneMore = await bareSocket(server.port);
      await oneMore.ended;
      expect(peers.filter((peer) => peer.socket.destroyed)).toEqual([]);
      for (const peer of peers) peer.socket.destroy();
    }));

  test('T-A15 half-open: a peer that vanished is found, its envelopes come again', () =>
    withServer({ limits }, async (server) => {
      const bob = newAgent('bob');
      // Authenticated, and then never heard again: it neither reads nor pings.
      const vanished = await rawClient(server.port);
      vanished.send((await vanished.auth(bob.credentials())).frame);
      await vanished.next('auth_ok');
      const alice = await join(server.port, newAgent('alice'));
      const blob = new Uint8Array(100);
      await alice.send({ id: new Uint8Array(16), to: bob.aid, ttlSeconds: 60, blob });
      await vanished.next('deliver');
      expect((await vanished.next('bye')).code).toBe('IDLE');
      await vanished.closed();
      const attempts: number[] = [];
      await join(server.port, bob, { deliver: ({ attempt }) => attempts.push(attempt) });
      await until(() => attempts.length > 0);
      expect(attempts).toEqual([2]);
    }));

  test(
    'T-A13 slow-consumer: whoever never reads costs bounded memory, and others notice nothing',
    () =>
      withServer({ limits: { silenceMs: 3_000 }, meter }, async (server) => {
        const bob = newAgent('bob');
        const { client: stuck, socket } = await rawClientAndSocket(server.port);
        stuck.send((await stuck.auth(bob.credentials())).frame);
        await stuck.next('auth_ok');
        stuck.send({ type: 'credit', messages: 10_000, bytes: 256 * 1024 * 1024 });
        socket.pause();
        const senders = await Promise.all(
          ['a', 'b', 'c'].map((name) => join(server.port, newAgent(name))),
        );
        const latencies: number[] = [];
        for (let round = 0; round < 60; round++) {
          const startedMs = Date.now();
          await Promise.all(
            senders.map((sender, n) => {
              const id = new Uint8Array(16).fill(round);
              id[0] = n;
              const blob = new Uint8Array(100_000).fill(round);
              return sender.send({ id, to: bob.aid, ttlSeconds: 60, blob });
            }),
          );
          latencies.push(Date.now() - startedMs);
        }
        // What its kernel and ours hold, and a quarter of a megabyte here: the rest stays stored.
        const pushed = /^agentmesh_hub_deliveries_total (\d+)$/m.exec((await meter.page()).text);
        expect(Number(pushed?.[1])).toBeGreaterThan(0);
        expect(Number(pushed?.[1])).toBeLessThan(120);
        expect(Math.max(...latencies)).toBeLessThan(1_000);
        await until(() => server.connections <= 3, 8_000);
      }),
    20_000,
  );
});

describe('frames that are too large', () => {
  test('T-A16 giant-frame: a line without end is refused once, passed over and forgotten', () =>
    withServer({}, async (server) => {
      const peer = await bareSocket(server.port);
      peer.socket.write(`{"type":"ping","id":1,"x":"`);
      const before = process.memoryUsage().rss;
      for (let n = 0; n < 200; n++) {
        if (!peer.socket.write('a'.repeat(500_000))) {
          await new Promise((resolve) => {
            peer.socket.once('drain', resolve);
          });
        }
      }
      expect(process.memoryUsage().rss - before).toBeLessThan(100e6);
      peer.socket.write('"}\n{"type":"ping","id":2}\n');
      await until(() => peer.text().includes('"re":2'));
      expect(peer.text().match(/"code":"BAD_JSON"/g)).toHaveLength(1);
      peer.socket.destroy();
    }));

  test('T-A16 giant-frame: a WebSocket frame of 4 GiB is refused by its length', () =>
    withServer({}, async (server) => {
      const peer = await bareSocket(server.port);
      peer.socket.write(
        'GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
          'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n',
      );
      await until(() => peer.text().includes('101 Switching'));
      peer.socket.write(Buffer.from('81ff0000000100000000' + '00000000', 'hex'));
      await peer.ended;
      expect(peer.text()).toContain('\u0003\u00f1');
    }));

  test('T-A17 compression-offered: WebSocket compression is offered in vain', () =>
    withServer({}, async (server) => {
      const url = `ws://127.0.0.1:${server.port}/ws`;
      const client = new WsClient(url, { perMessageDeflate: true });
      const first = await new Promise<string>((resolve) => {
        client.once('open', () => client.send('{"type":"ping","id":1}'));
        client.once('message', (data: Buffer) => resolve(data.toString()));
      });
      expect(first).toContain('"type":"pong"');
      expect(client.extensions).toBe('');
      client.terminate();
    }));
});

describe('plaintext', () => {
  test('is not taken where it is not trusted, except for health', () =>
    withServer({ plaintextOnLoopback: false }, async (server) => {
      const refused = await answerTo(server.port, '{"type":"ping","id":1}\n');
      expect(refused).toContain('PLAINTEXT_REFUSED');
      expect(await answerTo(server.port, '\n')).toContain('PLAINTEXT_REFUSED');
      const health = await answerTo(server.port, 'GET /healthz HTTP/1.0\r\n\r\n');
      expect(health).toContain('200 OK');
      const upgrade =
        'GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n';
      expect(await answerTo(server.port, upgrade)).toContain('403 Use TLS');
      const connection = await join(server.port, newAgent('alice'), {}, 'tls');
      expect(await connection.list({})).toEqual({ names: [], next: null });
    }));

  test('of a client that waits is not greeted where it is not trusted', () =>
    withServer({ plaintextOnLoopback: false }, async (server) => {
      const peer = await bareSocket(server.port);
      await pause(400);
      expect(peer.text()).toBe('');
      peer.socket.destroy();
    }));
});

test('T-A51 preconnect: a browser that connects before it has a request is answered in HTTP, not in frames', () =>
  withServer({}, async (server) => {
    for (const kind of ['tcp', 'tls'] as const) {
      const peer = await bareSocket(server.port, kind);
      await pause(400);
      expect(peer.text()).toBe('');
      peer.socket.write('GET /healthz HTTP/1.0\r\n\r\n');
      await until(() => peer.text().includes('200 OK'));
      expect(peer.text()).not.toContain('"type"');
      peer.socket.destroy();
    }
    await until(() => server.connections === 0);
    expect(server.connections).toBe(0);
  }));

async function answerTo(port: number, text: string): Promise<string> {
  const peer = await bareSocket(port);
  peer.socket.write(text);
  await peer.ended;
  return peer.text();
}
