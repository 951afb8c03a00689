/**
 * How a hub may be reached and what each way is bound to (hub.md §3): TLS 1.3 with a kept
 * certificate, an operator's certificate, a proxy, and consent to plaintext.
 */
import { X509Certificate } from 'node:crypto';
import { statSync, writeFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe, expect, test } from '@jest/globals';
import {
  createAuth,
  createBegin,
  hubIdOf,
  NO_CHANNEL_BINDING,
  parseHubFrame,
  systemRandom,
} from '@agentmesh/protocol';
import type { ChannelBinding } from '@agentmesh/protocol';
import { WebSocket as WsClient } from 'ws';
import { createCertificate, loadOrCreateCertificate, readTlsIdentity } from '../src/index.js';
import { certificate } from './served-hub.js';
import { bindingOf, dial } from './socket-client.js';
import { bareSocket, join, newAgent, until, withServer } from './test-clients.js';
import { inFolder } from './store-samples.js';

const DAY_MS = 86_400_000;
const PROXY: ChannelBinding = { type: 2, value: new Uint8Array(32) };

let names = 0;

/** The first two texts of a client that takes any hub for proved, and any binding for its own. */
class Believer {
  readonly #begin = createBegin(systemRandom(32));

  get begin(): string {
    return this.#begin.text;
  }

  auth(helloText: string, channelBinding: ChannelBinding): string {
    const decoded = parseHubFrame(helloText);
    if (!decoded.ok || decoded.frame.type !== 'hello') throw new TypeError(helloText);
    names += 1;
    const credentials = newAgent(`agent-${names}`).credentials();
    const { clientNonce } = this.#begin.frame;
    const { hubKey, time: timeMs } = decoded.frame;
    const proved = { hubId: hubIdOf(hubKey), timeMs, clientNonce };
    const hub = { ...decoded.frame, ...proved, transcript: new Uint8Array(32) };
    return createAuth({ id: 1, hub, credentials, channelBinding }).text;
  }
}

/** What a hub answers to an `auth` over a plain socket with some kind of binding. */
async function plainAnswer(port: number, channelBinding: ChannelBinding): Promise<string> {
  return answerOver(await dial('tcp', port), channelBinding);
}

/** The same over the hub's own TLS, in lines or as a WebSocket. */
async function secureAnswer(port: number, binding: ChannelBinding | 'exporter'): Promise<string> {
  const socket = await dial('tls', port);
  return answerOver(socket, binding === 'exporter' ? bindingOf(socket) : binding);
}

async function answerOver(socket: Socket, channelBinding: ChannelBinding): Promise<string> {
  const client = new Believer();
  let text = '';
  socket.on('data', (bytes: Buffer) => (text += bytes.toString()));
  socket.write(`${client.begin}\n`);
  await until(() => text.includes('\n'));
  socket.write(`${client.auth(text.split('\n')[0]!, channelBinding)}\n`);
  await until(() => text.split('\n').length > 2);
  socket.destroy();
  return /"type":"auth_ok"/.test(text) ? 'auth_ok' : (/"code":"(\w+)"/.exec(text)?.[1] ?? '');
}

async function webSocketAnswer(port: number, channelBinding: ChannelBinding): Promise<string> {
  const client = new WsClient(`wss://127.0.0.1:${port}/ws`, { rejectUnauthorized: false });
  const texts: string[] = [];
  const believer = new Believer();
  client.on('message', (data: Buffer) => texts.push(data.toString()));
  client.once('open', () => client.send(believer.begin));
  await until(() => texts.length > 0);
  client.send(believer.auth(texts[0]!, channelBinding));
  await until(() => texts.length > 1);
  client.terminate();
  const answer = parseHubFrame(texts[1]!);
  if (!answer.ok) return 'unreadable';
  return answer.frame.type === 'error' ? answer.frame.code : answer.frame.type;
}

describe('TLS', () => {
  test('is 1.3 and nothing older', () =>
    withServer({}, async (server) => {
      const { port } = server;
      const options = { port, host: '127.0.0.1', rejectUnauthorized: false } as const;
      const outcome = await new Promise((resolve) => {
        const socket = connectTls({ ...options, maxVersion: 'TLSv1.2' }, () =>
          resolve('connected'),
        );
        socket.on('error', () => resolve('refused'));
      });
      expect(outcome).toBe('refused');
      const { socket } = await bareSocket(port, 'tls');
      expect((socket as ReturnType<typeof connectTls>).getProtocol()).toBe('TLSv1.3');
      socket.destroy();
    }));

  test('is bound by its exporter, and by nothing else', () =>
    withServer({}, async (server) => {
      expect(await secureAnswer(server.port, NO_CHANNEL_BINDING)).toBe('BAD_AUTH');
      expect(await secureAnswer(server.port, PROXY)).toBe('BAD_AUTH');
      const other = { type: 1, value: new Uint8Array(32) } as const;
      expect(await secureAnswer(server.port, other)).toBe('BAD_AUTH');
      expect(await secureAnswer(server.port, 'exporter')).toBe('auth_ok');
    }));

  test('shows the certificate that it was given', () =>
    withServer({}, async (server) => {
      const socket = await dial('tls', server.port);
      const shown = (socket as ReturnType<typeof connectTls>).getPeerX509Certificate();
      const { cert } = await certificate();
      expect(shown?.fingerprint256).toBe(new X509Certificate(cert).fingerprint256);
      socket.destroy();
    }));
});

describe('the self-made certificate', () => {
  test('is made once, for its owner only, and anew when it has run out', () =>
    inFolder(async (folder) => {
      const nowMs = Date.now();
      const first = await loadOrCreateCertificate(folder, nowMs);
      expect(statSync(joinPath(folder, 'tls.pem')).mode & 0o777).toBe(0o600);
      const again = await loadOrCreateCertificate(folder, nowMs + 9 * 365 * DAY_MS);
      const prints = [first, again].map(({ cert }) => new X509Certificate(cert).fingerprint256);
      expect(prints[0]).toBe(prints[1]);
      const later = await loadOrCreateCertificate(folder, nowMs + 11 * 365 * DAY_MS);
      expect(new X509Certificate(later.cert).fingerprint256).not.toBe(prints[0]);
      const kept = await loadOrCreateCertificate(folder, nowMs + 12 * 365 * DAY_MS);
      expect(new X509Certificate(kept.cert).fingerprint256).toBe(
        new X509Certificate(later.cert).fingerprint256,
      );
    }));

  test('of an operator is refused unless it belongs to its key', () =>
    inFolder(async (folder) => {
      const [one, other] = await Promise.all([createCertificate(0), createCertificate(0)]);
      const path = (name: string, text: string): string => {
        writeFileSync(joinPath(folder, name), text, { mode: 0o600 });
        return joinPath(folder, name);
      };
      const cert = path('cert.pem', one.cert);
      expect(readTlsIdentity(cert, path('key.pem', one.key))).toEqual(one);
      for (const key of [other.key, 'nothing']) {
        expect(() => readTlsIdentity(cert, path('bad.pem', key))).toThrow('TLS certificate');
      }
      expect(() => readTlsIdentity(cert, joinPath(folder, 'missing'))).toThrow('TLS certificate');
    }));
});

describe('behind a proxy', () => {
  test('plain connections are bound as type 2 and as nothing else', () =>
    withServer({ behindProxy: true, plaintextOnLoopback: false }, async (server) => {
      expect(await plainAnswer(server.port, NO_CHANNEL_BINDING)).toBe('BAD_AUTH');
      expect(await plainAnswer(server.port, PROXY)).toBe('auth_ok');
    }));

  test('TLS to the hub itself keeps its exporter, except for WebSocket', () =>
    withServer({ behindProxy: true }, async (server) => {
      expect(await secureAnswer(server.port, PROXY)).toBe('BAD_AUTH');
      expect(await secureAnswer(server.port, 'exporter')).toBe('auth_ok');
      expect(await webSocketAnswer(server.port, PROXY)).toBe('auth_ok');
    }));

  test('without it no browser gets in over TLS of the hub, nor type 2 anywhere', () =>
    withServer({}, async (server) => {
      expect(await webSocketAnswer(server.port, PROXY)).toBe('BAD_AUTH');
      expect(await plainAnswer(server.port, PROXY)).toBe('BAD_AUTH');
    }));

  test('strangers are counted by the address that the proxy saw', () =>
    withServer(
      { behindProxy: true, limits: { preAuthConnectionsPerAddress: 2 } },
      async (server) => {
        const open = (address: string) =>
          new WsClient(`ws://127.0.0.1:${server.port}/ws`, {
            headers: { 'x-forwarded-for': `198.51.100.1, ${address}` },
          });
        const texts = new Map<WsClient, string>();
        const clients: WsClient[] = [];
        for (const address of ['203.0.113.1', '203.0.113.1', '203.0.113.1', '203.0.113.2']) {
          const client = open(address);
          client.once('open', () => client.send(new Believer().begin));
          client.once('message', (data: Buffer) => texts.set(client, data.toString()));
          clients.push(client);
          await until(() => texts.size === clients.length);
        }
        const types = clients.map((client) => /"type":"(\w+)"/.exec(texts.get(client)!)?.[1]);
        expect(types).toEqual(['hello', 'hello', 'bye', 'hello']);
        for (const client of clients) client.terminate();
      },
    ));
});

test('plaintext from everywhere needs a word of the operator', () =>
  withServer({ plaintextOnLoopback: false, allowPlaintext: true }, async (server) => {
    const connection = await join(server.port, newAgent('alice'));
    expect(await connection.list({})).toEqual({ names: [], next: null });
  }));
