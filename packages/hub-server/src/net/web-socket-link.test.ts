/** How much of one WebSocket connection is read before others have their turn. */
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { expect, test } from '@jest/globals';
import { WebSocketServer } from 'ws';
import type { ServedConnection } from '@agentmesh/hub-local';
import { MemoryBudget } from './memory-budget.js';
import { WebSocketLink } from './web-socket-link.js';

const CHUNK = 64 * 1024;
const TURN = 16 * 1024;
const TEXT = '{"type":"ping","id":1}';
/** A whole message, masked with zeros. */
const MESSAGE = Buffer.concat([Buffer.of(0x81, 0x80 | TEXT.length, 0, 0, 0, 0), Buffer.from(TEXT)]);
const PER_CHUNK = Math.floor(CHUNK / MESSAGE.length);
/** The peer's end of the connection: code 1000. */
const END = Buffer.of(0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8);

const burst = (): Buffer => Buffer.concat(Array<Buffer>(PER_CHUNK).fill(MESSAGE));

/** A link over a socket to which the test says what comes. */
async function served() {
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const noop = (): void => undefined;
  Object.assign(socket, { setNoDelay: noop });
  const request = new IncomingMessage(new Socket());
  request.method = 'GET';
  request.headers = {
    upgrade: 'websocket',
    'sec-websocket-key': Buffer.alloc(16).toString('base64'),
    'sec-websocket-version': '13',
  };
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  const { promise, resolve } = Promise.withResolvers<WebSocketLink>();
  const deferred: (() => void)[] = [];
  sockets.handleUpgrade(request, socket, Buffer.alloc(0), (webSocket) => {
    const options = {
      defer: (task: () => void) => void deferred.push(task),
      monotonic: () => 0,
      onFrame: noop,
      budget: new MemoryBudget(2 ** 30, () => 0),
      failpoint: noop,
    };
    resolve(new WebSocketLink(socket as Socket, webSocket, options));
  });
  const link = await promise;
  const seen = { texts: 0, isSated: false, isClosed: false };
  const connection: ServedConnection = {
    maxFrameLength: 4_096,
    get isSated() {
      return seen.isSated;
    },
    receive: () => void (seen.texts += 1),
    drained: noop,
    closed: () => void (seen.isClosed = true),
  };
  link.serve(connection);
  const rest = () => new Promise((resolved) => void setImmediate(resolved));
  const turn = async () => {
    for (const task of deferred.splice(0)) task();
    await rest();
  };
  return { socket, link, seen, rest, turn };
}

test('T-A67 torrent: of a WebSocket, too, 16 KiB are read in a turn, and others between', async () => {
  const { socket, link, seen, rest, turn } = await served();
  for (let n = 0; n < 5; n++) socket.push(burst());
  await rest();
  // A whole message may begin within the turn and end after it.
  const most = Math.ceil(TURN / TEXT.length) + 1;
  for (let turns = 1; seen.texts < 5 * PER_CHUNK; turns++) {
    const before = seen.texts;
    expect(turns).toBeLessThan(100);
    await turn();
    expect(seen.texts - before).toBeLessThanOrEqual(most);
    expect(seen.texts).toBeGreaterThan(before);
  }
  expect(seen.texts).toBe(5 * PER_CHUNK);
  link.destroy();
});

test('a WebSocket with enough under way in the middle of a piece is read on when it is answered', async () => {
  const { socket, link, seen, rest, turn } = await served();
  socket.push(burst());
  await rest();
  await turn();
  seen.isSated = true;
  const before = seen.texts;
  for (let n = 0; n < 3; n++) await turn();
  expect(seen.texts).toBe(before);
  seen.isSated = false;
  link.send({ type: 'pong', re: 1 });
  for (let n = 0; n < 10; n++) await turn();
  expect(seen.texts).toBe(PER_CHUNK);
  link.destroy();
});

test('what came after the message that ends a WebSocket is not looked at in later turns', async () => {
  const { socket, link, seen, rest, turn } = await served();
  socket.push(burst());
  await rest();
  await turn();
  const before = seen.texts;
  link.close(1000, 'BYE');
  for (let n = 0; n < 10; n++) await turn();
  expect(seen.texts).toBe(before);
  link.destroy();
});

test('what a client says and ends with in one piece is looked at', async () => {
  const { socket, seen, rest, turn } = await served();
  socket.push(Buffer.concat([burst().subarray(0, 800 * MESSAGE.length), END]));
  socket.push(null);
  for (let n = 0; !seen.isClosed; n++) {
    expect(n).toBeLessThan(100);
    await (n % 2 === 0 ? rest() : turn());
  }
  expect(seen.texts).toBe(800);
});
