/** How much of one connection is read before others have their turn. */
import { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import type { ServedConnection } from '@agentmesh/hub-local';
import { LineLink } from './line-link.js';
import { MemoryBudget } from './memory-budget.js';

const CHUNK = 64 * 1024;
const LINE = `{"type":"ping","id":1}\n`;

/** A link over a socket to which the test says what comes. */
function served() {
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const noop = (): void => undefined;
  Object.assign(socket, { setNoDelay: noop, setKeepAlive: noop });
  const deferred: (() => void)[] = [];
  const link = new LineLink(socket as unknown as Socket, {
    defer: (task) => deferred.push(task),
    monotonic: () => 0,
    onFrame: noop,
    budget: new MemoryBudget(2 ** 30, () => 0),
    failpoint: noop,
  });
  const seen = { lines: 0, isSated: false };
  const connection: ServedConnection = {
    maxFrameLength: 4_096,
    get isSated() {
      return seen.isSated;
    },
    receive: () => void (seen.lines += 1),
    drained: noop,
    closed: noop,
  };
  link.serve(connection);
  const rest = () => new Promise((resolve) => void setImmediate(resolve));
  const turn = async () => {
    for (const task of deferred.splice(0)) task();
    await rest();
  };
  return { socket, link, seen, rest, turn };
}

const burst = (): Buffer => Buffer.from(LINE.repeat(Math.floor(CHUNK / LINE.length)));

const TURN = 16 * 1024;

test('T-A67 torrent: a sender of much is read a piece at a time, and others between', async () => {
  const { socket, seen, rest, turn } = served();
  const all = 5 * Math.floor(CHUNK / LINE.length);
  for (let n = 0; n < 5; n++) socket.push(burst());
  await rest();
  await rest();
  // However much one reading of the socket brought: its rest, and a piece of what came next.
  const most = 2 * Math.ceil(TURN / LINE.length) + 1;
  for (let turns = 1; seen.lines < all; turns++) {
    const before = seen.lines;
    expect(turns).toBeLessThan(100);
    await turn();
    expect(seen.lines - before).toBeLessThanOrEqual(most);
    expect(seen.lines).toBeGreaterThan(before);
  }
  expect(seen.lines).toBe(all);
});

test('what came after the line that ends a connection is not looked at in later turns', async () => {
  const { socket, link, seen, rest, turn } = served();
  socket.push(burst());
  await rest();
  const before = seen.lines;
  link.close();
  for (let n = 0; n < 10; n++) await turn();
  expect(seen.lines).toBe(before);
  link.destroy();
});

test('whoever has enough under way in the middle of a piece is read on when it is answered', async () => {
  const { socket, link, seen, rest, turn } = served();
  socket.push(burst());
  await rest();
  seen.isSated = true;
  const before = seen.lines;
  for (let n = 0; n < 3; n++) await turn();
  expect(seen.lines).toBe(before);
  seen.isSated = false;
  link.send({ type: 'pong', re: 1 });
  for (let n = 0; n < 10; n++) await turn();
  expect(seen.lines).toBe(Math.floor(CHUNK / LINE.length));
});

test('whoever has as much under way as it may is not read until it has been answered', async () => {
  const { socket, link, seen, rest, turn } = served();
  seen.isSated = true;
  socket.push(Buffer.from(LINE));
  await rest();
  socket.push(Buffer.from(LINE.repeat(3)));
  await rest();
  expect(seen.lines).toBe(1);
  seen.isSated = false;
  link.send({ type: 'pong', re: 1 });
  await turn();
  await rest();
  expect(seen.lines).toBe(4);
});
