/** What whoever asks for pages and reads no answers costs. */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { HttpPages } from './http-pages.js';
import { MemoryBudget } from './memory-budget.js';
import { WebAccess } from './web-access.js';

jest.setTimeout(60_000);

const LIMIT = 128 * 2 ** 20;
const PAGE = 'a'.repeat(16 * 2 ** 20);
const MOST_OPEN = 8;

let nowMs = 0;
const asked = { pages: 0, measured: 0 };
const budget = new MemoryBudget(LIMIT, () => nowMs);
const access = new WebAccess({ origins: [], hosts: [], behindProxy: false });
const pages = new HttpPages({
  isOpen: () => true,
  isReady: () => {
    asked.pages += 1;
    return true;
  },
  metrics: () => {
    asked.measured += 1;
    return Promise.resolve({ type: 'text/plain', text: PAGE });
  },
  mayMeasure: () => true,
  access,
  allowsForwardedPlaintext: false,
  maxMessageBytes: 1_000,
  monotonic: () => nowMs,
  budget,
  onWebSocket: () => undefined,
});
const served = new Set<Socket>();
let arrived = 0;
const server = createServer({ pauseOnConnect: true }, (socket) => {
  served.add(socket);
  arrived += 1;
  socket.on('error', () => socket.destroy());
  socket.on('close', () => served.delete(socket));
  const guest = { address: `source ${arrived}`, sinceMs: 0, dismiss: () => socket.destroy() };
  pages.serve({ socket, secure: false, isPlaintextRefused: false, address: '127.0.0.1', guest });
});

beforeAll(() => new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve)));
afterAll(() => {
  for (const socket of served) socket.destroy();
  pages.close();
  server.close();
});

async function until(condition: () => boolean): Promise<void> {
  for (let n = 0; !condition(); n++) {
    if (n > 4_000) throw new TypeError('waited in vain');
    await new Promise((resolve) => void setTimeout(resolve, 5));
  }
}

/** A client that writes and never reads. */
async function deaf(text: string): Promise<Socket> {
  const { port } = server.address() as AddressInfo;
  const socket = connect({ port, host: '127.0.0.1' });
  socket.pause();
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) => void socket.once('connect', resolve));
  socket.write(text);
  return socket;
}

function request(line: string, headers = ''): string {
  return `${line} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`;
}

const EVERY_KIND: readonly (readonly [string, string])[] = [
  ['metrics', request('GET /metrics')],
  ['metrics under a foreign name', request('GET /metrics', 'Host: evil.example\r\n')],
  ['/readyz', request('GET /readyz')],
  ['/healthz', request('GET /healthz')],
  ['what is not here', request('GET /nothing')],
  ['what nobody may do', request('DELETE /healthz')],
  ['an upgrade that is none', request('GET /ws')],
  ['an expectation', request('GET /readyz', 'Expect: a miracle\r\n')],
  ['a continuation', request('POST /readyz', 'Expect: 100-continue\r\nContent-Length: 0\r\n')],
];

describe('T-A75 unread-pages', () => {
  test.each(EVERY_KIND)(
    'thousands of requests ahead for %s end the connection',
    async (_, text) => {
      const before = { ...asked, arrived };
      const socket = await deaf(text.repeat(2_000));
      await until(() => arrived > before.arrived && served.size === 0);
      expect(asked.pages - before.pages).toBeLessThanOrEqual(MOST_OPEN);
      expect(asked.measured - before.measured).toBeLessThanOrEqual(MOST_OPEN);
      expect(budget.total).toBe(0);
      socket.destroy();
    },
  );

  test('large answers that nobody reads are in the bound of all connections', async () => {
    const clients: Socket[] = [];
    for (let n = 0; n < 3; n++) {
      const before = budget.total;
      clients.push(await deaf(request('GET /metrics').repeat(2)));
      await until(() => budget.total > before);
      nowMs += 1;
    }
    // The kernel takes some of it; an answer counts until all of it is gone.
    const first = clients[0];
    await until(() => budget.total >= LIMIT / 2);
    expect(served.size).toBe(3);
    nowMs += 60_000;
    budget.enforce();
    await until(() => served.size < 3);
    expect(budget.total).toBeLessThanOrEqual(LIMIT / 2);
    for (const client of clients) client.destroy();
    await until(() => served.size === 0);
    expect(budget.total).toBe(0);
    expect(first?.destroyed).toBe(true);
  });

  test('whoever reads may ask again and again on one connection', async () => {
    const socket = await deaf('');
    let text = '';
    socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
    socket.resume();
    for (let n = 1; n <= 50; n++) {
      socket.write(request('GET /readyz'));
      await until(() => text.split('ready\n').length > n);
    }
    socket.write(request('GET /readyz').repeat(MOST_OPEN));
    await until(() => text.split('ready\n').length > 50 + MOST_OPEN);
    await until(() => budget.total === 0);
    // More than monitoring needs in one second: refused, and the connection ends.
    while (!text.includes('429')) {
      const { length } = text;
      socket.write(request('GET /readyz'));
      await until(() => text.length > length);
    }
    expect(text.split('ready\n').length - 1).toBe(100);
    await until(() => served.size === 0);
  });
});
