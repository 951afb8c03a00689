/**
 * A runtime whose TLS cannot say what both ends of a connection share, such as Deno: the client
 * refuses at once and says what works, and never tries again.
 */
import { once } from 'node:events';
import { createServer, TLSSocket } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { NetworkHub } from '@agentmesh/hub-client';
import { Agent } from '@agentmesh/agent';
import { systemHost } from '@agentmesh/hub-local';
import { loadOrCreateCertificate } from '../src/certificate.js';
import { inFolder } from './store-samples.js';

const NAME = 'exportKeyingMaterial';
const original = Object.getOwnPropertyDescriptor(TLSSocket.prototype, NAME) ?? {};
afterEach(() => {
  Object.defineProperty(TLSSocket.prototype, NAME, original);
});

test('without exportKeyingMaterial a TLS connection is UNSUPPORTED_RUNTIME, which names what works', () =>
  inFolder(async (folder) => {
    const { cert, key } = await loadOrCreateCertificate(folder, systemHost.clock());
    let connections = 0;
    const server = createServer({ cert, key }).listen(0, '127.0.0.1');
    server.on('connection', () => (connections += 1));
    server.on('tlsClientError', () => undefined);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    Object.defineProperty(TLSSocket.prototype, NAME, { ...original, value: undefined });
    const hub = new NetworkHub({ host: '127.0.0.1', port, tls: true });
    const attempt = Agent.create('alice', { hub, logLevel: 'silent' });
    const error = await attempt.catch((thrown: unknown) => thrown);
    await hub.close();
    server.close();
    expect(error).toMatchObject({
      code: 'UNSUPPORTED_RUNTIME',
      retryable: false,
      message: expect.stringMatching(/exportKeyingMaterial.*Use Node, or .*wss:\/\//),
    });
    expect(connections).toBe(1);
  }));
