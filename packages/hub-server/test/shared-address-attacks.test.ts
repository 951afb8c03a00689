/**
 * Many clients behind one address, as behind a forwarder: what one of them does must not keep the
 * others out.
 */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { ready } from '@agentmesh/protocol';
import { bareSocket, join, newAgent, pause, until, withServer } from './test-clients.js';
import type { TransportKind } from './socket-client.js';

beforeAll(() => ready());

const SILENT = 50;
/** What a first byte may begin: HTTP, TLS, a frame, nothing. */
const BEGINNINGS: readonly [string, string][] = [
  ['half an HTTP request', 'G'],
  ['half a TLS handshake', '\u0016'],
  ['half a frame', '{'],
  ['nothing', ''],
];

describe('T-A21 silent-crowd', () => {
  test.each(BEGINNINGS)(
    '50 connections that say %s keep nobody of their address out',
    (_what, text) =>
      withServer({}, async (server) => {
        const crowd = await Promise.all(
          Array.from({ length: SILENT }, () => bareSocket(server.port)),
        );
        for (const { socket } of crowd) if (text !== '') socket.write(text, 'latin1');
        await pause(600);
        let number = 0;
        for (const kind of ['tcp', 'tls', 'websocket'] satisfies TransportKind[]) {
          number += 1;
          const connection = await join(server.port, newAgent(`honest-${number}`), {}, kind);
          expect(await connection.list({})).toEqual({ names: [], next: null });
          await connection.close();
        }
        // The crowd is still held to its number.
        await until(() => server.connections <= SILENT);
        for (const { socket } of crowd) socket.destroy();
      }),
  );
});
