/**
 * Web pages that use a hub on the machine of whoever looks at them: another site's page, and one
 * whose name was pointed at the hub (DNS rebinding). A browser lets both connect.
 */
import { get } from 'node:http';
import { connect } from 'node:net';
import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import { RawClient } from '@agentmesh/hub-compliance';
import type { HubUnderTest } from '@agentmesh/hub-compliance';
import { createBegin, ready } from '@agentmesh/protocol';
import { WebSocket as WsClient } from 'ws';
import { bareSocket, join, newAgent, until, withServer } from './test-clients.js';

jest.setTimeout(60_000);
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

/** A text message as a browser sends it: masked, in one frame. */
function masked(text: string): Buffer {
  const bytes = Buffer.from(text);
  const mask = Buffer.from([1, 2, 3, 4]);
  const length = bytes.length < 126 ? [bytes.length] : [126, bytes.length >> 8, bytes.length & 255];
  const head = Buffer.from([0x81, 0x80 | (length[0] ?? 0), ...length.slice(1)]);
  return Buffer.concat([head, mask, bytes.map((byte, at) => byte ^ (mask[at % 4] ?? 0))]);
}

function handshake(headers: readonly (readonly [string, string])[], path = '/ws'): string {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return (
    `GET ${path} HTTP/1.1\r\n${lines}Upgrade: websocket\r\nConnection: Upgrade\r\n` +
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n'
  );
}

describe('T-A77 frames-after-refusal', () => {
  const begin = createBegin(new Uint8Array(32).fill(7)).text;
  const frames = Buffer.concat([masked('{"type":"ping","id":1}'), masked(begin)]);

  /** All that the hub says until it has ended the connection, or has said hello. */
  async function said(port: number, ...parts: (string | Buffer)[]): Promise<string> {
    const { socket, text, ended } = await bareSocket(port);
    socket.write(Buffer.concat(parts.map((part) => Buffer.from(part))));
    const isOver = () => socket.destroyed || socket.readableEnded || text().includes('"hello"');
    await Promise.race([ended, until(isOver, 20_000)]);
    socket.destroy();
    return text();
  }

  const own = (port: number): [string, string] => ['Host', `127.0.0.1:${port}`];
  const evil: [string, string] = ['Origin', 'https://evil.example'];
  const REFUSED: readonly (readonly [string, string, (port: number) => [string, string][]])[] = [
    ['a foreign origin', '403', (port) => [own(port), evil]],
    ['an origin without a name', '403', (port) => [own(port), ['Origin', 'null']]],
    ['a file', '403', (port) => [own(port), ['Origin', 'file://']]],
    ['another port', '403', (port) => [own(port), ['Origin', `http://127.0.0.1:${port + 1}`]]],
    ['another scheme', '403', (port) => [own(port), ['Origin', `https://127.0.0.1:${port}`]]],
    ['a page of another site', '403', (port) => [own(port), ['Sec-Fetch-Site', 'cross-site']]],
    ['a page of the same site', '403', (port) => [own(port), ['Sec-Fetch-Site', 'same-site']]],
    ['a name that was pointed here', '421', () => [['Host', 'rebind.evil.example']]],
    [
      'its own page under such a name',
      '421',
      (port) => [
        ['Host', `rebind.evil.example:${port}`],
        ['Origin', `http://rebind.evil.example:${port}`],
      ],
    ],
    ['a name that ends in ours', '421', () => [['Host', 'localhost.evil.example']]],
    ['a name with a user in it', '421', (port) => [['Host', `localhost@evil.example:${port}`]]],
    ['two names', '421', (port) => [own(port), ['Host', 'rebind.evil.example']]],
    ['what a proxy passes on', '403', (port) => [own(port), ['X-Forwarded-For', '192.0.2.7']]],
  ];

  test('the frames are good ones: a page that may connect is answered', () =>
    withServer({}, async (server) => {
      const answer = await said(server.port, handshake([own(server.port)]), frames);
      expect(answer).toContain('101 Switching');
      expect(answer).toContain('"pong"');
      expect(answer).toContain('"hello"');
    }));

  test.each(REFUSED)(
    '%s is refused with %s, and no frame behind it is read',
    (_, status, headers) =>
      withServer({}, async (server) => {
        const refused = handshake(headers(server.port));
        const good = handshake([own(server.port)]);
        const page = `GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n\r\n`;
        // Alone, behind a page on the same connection, and with a good handshake behind it.
        for (const parts of [
          [refused, frames],
          [page, refused, frames],
          [refused, good, frames],
        ]) {
          const answer = await said(server.port, ...parts);
          expect(answer).toContain(`HTTP/1.1 ${status} `);
          expect(answer).not.toContain('101 Switching');
          expect(answer).not.toContain('"type"');
        }
        await until(() => server.connections === 0, 20_000);
        expect(server.connections).toBe(0);
      }),
  );

  test('a whole client that comes from such a page registers nothing', () =>
    withServer({}, async (server) => {
      const { port } = server;
      const host = `rebind.evil.example:${port}`;
      for (const headers of [{ origin: 'https://evil.example' }, { host }]) {
        const open: HubUnderTest['open'] = (client) =>
          new Promise((resolve, reject) => {
            const socket = new WsClient(`ws://127.0.0.1:${port}/ws`, { headers });
            socket.on('message', (data: Buffer) => client.receive(data.toString()));
            socket.on('close', () => client.lost());
            socket.on('error', reject);
            socket.on('open', () =>
              resolve({
                send: (text: string) => socket.send(text),
                close: () => socket.close(),
              }),
            );
          });
        const rest = () => Promise.resolve();
        const hub = { open, rest } as Partial<HubUnderTest> as HubUnderTest;
        await expect(RawClient.connect(hub)).rejects.toThrow(/Unexpected server response: 4/);
      }
      const alice = await join(port, newAgent('alice'));
      expect(await alice.list({})).toEqual({ names: [], next: null });
      expect(server.routed).toBe(0);
      await alice.close();
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
