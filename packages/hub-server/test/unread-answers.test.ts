/**
 * An agent that asks and never reads: what the hub holds for it, counted, for each kind of answer.
 * The socket is the test's: from a moment on it takes nothing.
 */
import { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { beforeAll, expect, jest, test } from '@jest/globals';
import { ManualHost } from '@agentmesh/hub-compliance';
import { coreLimits, HubCore, MemoryHubStore } from '@agentmesh/hub-local';
import type { NameQuery } from '@agentmesh/hub-local';
import {
  acceptHello,
  createAuth,
  createBegin,
  decodeHubFrame,
  NO_CHANNEL_BINDING,
  PROTOCOL_LIMITS,
  ready,
} from '@agentmesh/protocol';
import { LineLink } from '../src/net/line-link.js';
import { MemoryBudget } from '../src/net/memory-budget.js';
import { noFailpoint } from '../src/sqlite/failpoint.js';
import { newAgent } from './test-clients.js';

jest.setTimeout(60_000);
beforeAll(() => ready());

/** Names as long as they may be, as many as are asked for. */
class LongRoster extends MemoryHubStore {
  pages = 0;

  override names({ max }: NameQuery): Promise<readonly string[]> {
    this.pages += 1;
    return Promise.resolve(Array.from({ length: max }, (_, n) => `${n}`.padStart(64, 'n')));
  }
}

/** A socket that the hub writes to. */
class DeafSocket extends Duplex {
  isDeaf = false;
  text = '';
  #goOn: () => void = () => undefined;

  override _read(): void {}

  /** From now on it takes what it is given. */
  hear(): void {
    this.isDeaf = false;
    this.#goOn();
  }

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    this.#goOn = () => {
      this.text += bytes.toString('latin1');
      done();
    };
    if (!this.isDeaf) this.#goOn();
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), '', done);
  }

  setNoDelay(): void {}
  setKeepAlive(): void {}
}

const FIRST_ANSWERS = 16 * 1024;

async function scene() {
  const host = new ManualHost();
  const store = new LongRoster();
  const registration = { mode: 'open' } as const;
  const core = await HubCore.create({ store, host, limits: coreLimits(), registration });
  const socket = new DeafSocket();
  const budget = new MemoryBudget(2 ** 30, host.clock);
  const link = new LineLink(socket as unknown as Socket, {
    defer: (task) => void setImmediate(task),
    monotonic: host.clock,
    onFrame: () => undefined,
    budget,
    failpoint: noFailpoint,
  });
  link.serve(core.connect({ link, channelBinding: NO_CHANNEL_BINDING, remote: null }));
  const turns = async (count = 300): Promise<void> => {
    for (let n = 0; n < count; n++) await new Promise((resolve) => void setImmediate(resolve));
  };
  const agent = newAgent('asks-and-never-reads');
  const begin = createBegin(new Uint8Array(32).fill(3));
  socket.push(`${begin.text}\n`);
  await turns();
  const text = socket.text.trim();
  const read = decodeHubFrame(JSON.parse(text));
  if (!read.ok || read.frame.type !== 'hello') throw new TypeError('no hello');
  const accepted = acceptHello({
    begin,
    hello: { frame: read.frame, text },
    channelBinding: NO_CHANNEL_BINDING,
    pinnedHubKey: null,
  });
  if (!accepted.ok) throw accepted.error;
  const auth = createAuth({
    id: 0,
    hub: accepted.value,
    credentials: agent.credentials(),
    channelBinding: NO_CHANNEL_BINDING,
  });
  socket.push(`${auth.text}\n`);
  await turns();
  expect(socket.text).toContain('"auth_ok"');
  socket.isDeaf = true;
  return { host, store, socket, budget, link, turns, core };
}

/** One after the other as they come; `#` is a number. */
const ASKED: readonly (readonly [string, string])[] = [
  ['pings', '{"type":"ping","id":#}\n'],
  ['pages of names', '{"type":"list","id":#,"max":1000}\n'],
  ['bundles that are not there', `{"type":"get_bundle","id":#,"peer":"nobody"}\n`],
  ['acknowledgements of nothing', '{"type":"ack","seqs":[1,2,3]}\n'],
  ['what is no frame', '{"type":"nonsense","id":#}\n'],
  [
    'envelopes for nobody',
    '{"type":"send","id":#,"envelope":{"id":"","to":"","ttl":1,"blob":""}}\n',
  ],
];

test.each(ASKED)('T-A78 unread-answers: %s cost bounded memory', async (_, line) => {
  const { host, socket, budget, link, turns, core } = await scene();
  const most = 512 * 1024 + 2 * PROTOCOL_LIMITS.listNames * 67 + FIRST_ANSWERS;
  let highest = 0;
  for (let n = 0, id = 1; n < 200 && !socket.destroyed; n++) {
    let lines = '';
    for (let k = 0; k < 200; k++, id++) lines += line.replace('#', `${id}`);
    socket.push(lines);
    await turns(20);
    highest = Math.max(highest, budget.total - socket.readableLength);
  }
  expect(highest).toBeGreaterThan(0);
  expect(highest).toBeLessThanOrEqual(most);
  // Nobody reads: in the end the connection goes, and all that it held.
  link.watch(host.clock(), 75_000);
  await host.jump(75_001);
  link.watch(host.clock(), 75_000);
  await turns();
  expect(socket.destroyed).toBe(true);
  expect(budget.total).toBe(0);
  await core.stop();
});

test('T-A78 unread-answers: pages wait until they are read, and none is lost', async () => {
  const { store, socket, turns, core } = await scene();
  let lines = '';
  for (let id = 1; id <= 60; id++) lines += `{"type":"list","id":${id},"max":1000}\n`;
  socket.push(lines);
  await turns();
  expect(store.pages).toBeLessThan(10);
  expect(store.pages).toBeGreaterThan(0);
  socket.hear();
  for (let n = 0; n < 100 && store.pages < 60; n++) await turns(20);
  await turns();
  const answered = [...socket.text.matchAll(/"type":"agents","re":(\d+)/g)].map(
    (match) => match[1],
  );
  expect(answered).toEqual(Array.from({ length: 60 }, (_, n) => `${n + 1}`));
  await core.stop();
  socket.destroy();
});
