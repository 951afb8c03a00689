/**
 * Thousands of authenticated connections that say nothing, from as many addresses as one network
 * has. What they cost is printed; that two others still talk is asserted.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { beforeAll, expect, test } from '@jest/globals';
import {
  acceptHello,
  createAuth,
  createBegin,
  NO_CHANNEL_BINDING,
  parseHubFrame,
  ready,
} from '@agentmesh/protocol';
import { HubProcess } from './hub-process.js';
import { inFolder } from './store-samples.js';
import { join, newAgent, until } from './test-clients.js';

/** 9,990 in a nightly run: ten are left of the hub's 10,000. */
const IDLE = Number(process.env['AGENTMESH_HUB_IDLE'] ?? 300);
const AT_ONCE = 50;
const ADDRESSES = 100;
/** Far above what one connection costs, far below what a leak or an eager buffer would. */
const MOST_BYTES_EACH = 256 * 1024;

beforeAll(() => ready());

async function residentBytes(port: number): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\S+)$/m.exec(page)?.[1]);
}

/** Authenticates by hand and then keeps silent. */
async function idle(port: number, number: number): Promise<Socket> {
  const localAddress = `127.0.0.${2 + (number % ADDRESSES)}`;
  const socket = connect({ host: '127.0.0.1', port, localAddress });
  const begin = createBegin(new Uint8Array(32));
  socket.write(`${begin.text}\n`);
  const lines = createInterface({ input: socket });
  const frame = async () => {
    const text = String((await once(lines, 'line'))[0]);
    const decoded = parseHubFrame(text);
    if (!decoded.ok) throw decoded.error;
    return { frame: decoded.frame, text };
  };
  const { frame: hello, text } = await frame();
  if (hello.type !== 'hello') throw new TypeError(hello.type);
  const channelBinding = NO_CHANNEL_BINDING;
  const said = { frame: hello, text };
  const hub = acceptHello({ begin, hello: said, channelBinding, pinnedHubKey: null });
  if (!hub.ok) throw hub.error;
  const credentials = newAgent(`idle-${number}`).credentials();
  const auth = createAuth({ id: 1, hub: hub.value, credentials, channelBinding });
  socket.write(`${auth.text}\n`);
  const { frame: answer } = await frame();
  if (answer.type !== 'auth_ok') throw new TypeError(answer.type);
  return socket;
}

test(
  `${IDLE} idle connections cost bounded memory and leave others alone`,
  () =>
    inFolder(async (folder) => {
      const hub = await HubProcess.start(folder);
      const bob = newAgent('bob');
      const delivered: number[] = [];
      await join(hub.port, bob, { deliver: ({ seq }) => delivered.push(seq) });
      const alice = await join(hub.port, newAgent('alice'));
      const before = await residentBytes(hub.port);
      const sockets: Socket[] = [];
      while (sockets.length < IDLE) {
        const count = Math.min(AT_ONCE, IDLE - sockets.length);
        const numbers = Array.from({ length: count }, (_, at) => sockets.length + at);
        sockets.push(...(await Promise.all(numbers.map((number) => idle(hub.port, number)))));
      }
      const each = ((await residentBytes(hub.port)) - before) / IDLE;
      process.stderr.write(`${IDLE} idle connections: ${(each / 1024).toFixed(1)} KiB each\n`);
      expect(each).toBeLessThan(MOST_BYTES_EACH);
      const blob = new Uint8Array(64);
      const send = { id: new Uint8Array(16), to: bob.aid, ttlSeconds: 60, blob };
      expect(await alice.send(send)).toEqual({ seq: 1, duplicate: false });
      await until(() => delivered.length === 1);
      expect(sockets.filter((socket) => socket.destroyed)).toEqual([]);
      for (const socket of sockets) socket.destroy();
      await hub.kill();
    }),
  300_000,
);
