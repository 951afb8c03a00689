/**
 * A connection that fails says where and why: the address as the user wrote it, and the system's
 * code.
 */
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

import { expect, test } from '@jest/globals';

import { connectionLost, noAnswer } from '../src/connection-errors.js';
import { openTcp } from '../src/tcp/node.js';
import { openWebSocket } from '../src/websocket/node.js';
import type { HubAddress } from '../src/transport.js';

const events = { text: () => undefined, lost: () => undefined };
const limits = { frameBytes: 1_000, connectMs: 2_000, signal: new AbortController().signal };

/** A port at which nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function addressAt(port: number, transport: 'tcp' | 'websocket'): HubAddress {
  return { host: '127.0.0.1', port, transport, secure: false, behindProxy: false };
}

test('a hub that is not there is named with its port and the reason', async () => {
  const port = await closedPort();
  await expect(openTcp(addressAt(port, 'tcp'), events, limits)).rejects.toMatchObject({
    code: 'CONNECTION_LOST',
    retryable: true,
    message: expect.stringContaining(`Cannot reach hub 127.0.0.1:${port} (ECONNREFUSED): check`),
  });
  await expect(openWebSocket(addressAt(port, 'websocket'), events, limits)).rejects.toMatchObject({
    code: 'CONNECTION_LOST',
    message: expect.stringContaining(
      `Cannot reach hub ws://127.0.0.1:${port} (ECONNREFUSED): check`,
    ),
  });
});

test('a hub that accepts the connection and says nothing is named with the time waited', () => {
  const address = { ...addressAt(7700, 'tcp'), host: '::1' };
  expect(noAnswer(address, 'authenticating', 2_500)).toMatchObject({
    code: 'TIMEOUT',
    message: expect.stringMatching(/^No answer from hub \[::1\]:7700 in 2\.5 seconds while auth/),
  });
});

test('only the code of a cause reaches the text', () => {
  const cause = Object.assign(new TypeError('secret words'), { code: 'ECONNRESET' });
  const { message } = connectionLost(addressAt(7700, 'tcp'), { what: 'it broke', cause });
  expect(message).toBe('Connection to hub 127.0.0.1:7700 was lost (it broke, ECONNRESET)');
  expect(connectionLost(addressAt(7700, 'tcp'), { cause: 'text' }).message).not.toContain('text');
});
