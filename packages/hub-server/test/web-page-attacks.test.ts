/**
 * Web pages that use a hub on the machine of whoever looks at them: another site's page, and one
 * whose name was pointed at the hub (DNS rebinding). A browser lets both connect.
 */
import { get } from 'node:http';
import { connect } from 'node:net';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { ready } from '@agentmesh/protocol';
import { WebSocket as WsClient } from 'ws';
import { withServer } from './test-clients.js';

beforeAll(() => ready());

/** Opens a WebSocket as a browser would: the answer's type, or the status of the refusal. */
function openAs(port: number, headers: Record<string, string>): Promise<string> {
  return new Promise((resolve) => {
    const client = new WsClient(`ws://127.0.0.1:${port}/ws`, { headers });
    client.on('open', () => client.send('{"type":"ping","id":1}'));
    client.on('message', (data: Buffer) => {
      client.terminate();
      resolve((JSON.parse(data.toString()) as { type: string }).type);
    });
    client.on('unexpected-response', (_request, response) => {
      response.resume();
      client.on('error', () => undefined);
      client.terminate();
      resolve(String(response.statusCode));
    });
  });
}

/** Status and size of a page. */
function pageAs(port: number, path: string, headers: Record<string, string>): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', path, headers, agent: false }, (response) => {
      let text = '';
      response.on('data', (bytes: Buffer) => (text += bytes.toString()));
      response.on('end', () => {
        resolve(`${response.statusCode} ${text.includes('agentmesh_hub_') ? 'metrics' : 'none'}`);
      });
    }).on('error', reject);
  });
}

describe('T-A18 foreign-page', () => {
  test('a page of any other origin gets no connection and no metrics', () =>
    withServer({}, async (server) => {
      const { port } = server;
      for (const origin of ['https://evil.example', 'null', 'http://127.0.0.1', 'file://']) {
        expect(await openAs(port, { origin })).toBe('403');
        expect(await pageAs(port, '/metrics', { origin })).toBe('403 none');
      }
      expect(await pageAs(port, '/metrics', { 'sec-fetch-site': 'cross-site' })).toBe('403 none');
    }));

  test('DNS rebinding: a page whose name leads here gets neither, even as its own origin', () =>
    withServer({}, async (server) => {
      const { port } = server;
      const host = `rebind.evil.example:${port}`;
      expect(await openAs(port, { host, origin: `http://${host}` })).toBe('421');
      expect(await openAs(port, { host, origin: 'https://evil.example' })).toBe('421');
      expect(await openAs(port, { host })).toBe('421');
      expect(await pageAs(port, '/metrics', { host })).toBe('421 none');
      expect(await pageAs(port, '/healthz', { host })).toBe('200 none');
    }));

  test('a request with two names is refused, whichever of them comes first', () =>
    withServer({}, async (server) => {
      const names = ['localhost', 'rebind.evil.example'];
      for (const hosts of [names, names.toReversed()]) {
        const answered = Promise.withResolvers<string>();
        const socket = connect(server.port, '127.0.0.1', () => {
          const lines = hosts.map((host) => `Host: ${host}\r\n`).join('');
          socket.write(`GET /metrics HTTP/1.1\r\n${lines}\r\n`);
        });
        socket.once('data', (bytes: Buffer) => answered.resolve(bytes.toString().slice(9, 12)));
        expect(await answered.promise).toBe('421');
        socket.destroy();
      }
    }));

  test('a page that the operator allows connects, and so do programs and pages of the hub', () =>
    withServer({ allowedOrigins: ['https://app.example'] }, async (server) => {
      const { port } = server;
      expect(await openAs(port, { origin: 'https://app.example' })).toBe('pong');
      expect(await openAs(port, { origin: 'https://app.example:8443' })).toBe('403');
      expect(await openAs(port, {})).toBe('pong');
      expect(await openAs(port, { host: `localhost:${port}` })).toBe('pong');
      expect(await openAs(port, { origin: `http://127.0.0.1:${port}` })).toBe('pong');
      expect(await pageAs(port, '/metrics', {})).toBe('200 metrics');
    }));
});

describe('T-A19 local-forwarder', () => {
  const forwarded = { 'x-forwarded-for': '192.0.2.7' };

  test('what a proxy on this machine passes on is not from this machine', () =>
    withServer({}, async (server) => {
      expect(await pageAs(server.port, '/metrics', forwarded)).toBe('404 none');
      expect(await openAs(server.port, forwarded)).toBe('403');
    }));

  test('behind a proxy the metrics stay with this machine', () =>
    withServer({ behindProxy: true }, async (server) => {
      expect(await pageAs(server.port, '/metrics', forwarded)).toBe('404 none');
      expect(await pageAs(server.port, '/metrics', { host: 'hub.example' })).toBe('404 none');
      expect(await pageAs(server.port, '/metrics', {})).toBe('200 metrics');
      expect(await openAs(server.port, { ...forwarded, host: 'hub.example' })).toBe('pong');
    }));
});
