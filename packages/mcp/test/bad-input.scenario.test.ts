/**
 * Every tool against everything that may be wrong: a tool error of one line that says what to do,
 * nothing done twice, nothing lost, and the server goes on.
 */
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { McpWorld, twoAgents } from './mcp-world.js';
import type { CodingAgent } from './mcp-world.js';

jest.setTimeout(240_000);

const NO_ID = '0'.repeat(32);
const MADE_BY_HOLDERS = ['IDENTITY_CHANGED', 'NOT_KEPT', 'UNKNOWN_PEER', 'INBOX_TAKEN'];

type Case = readonly [tool: string, args: Record<string, unknown>];

/** One of each; those of `ONCE` are never done a second time. */
const TOOLS: readonly Case[] = [
  ['whoami', {}],
  ['peers', {}],
  ['peers', { all: true }],
  ['call_status', { call_id: NO_ID }],
  ['inbox', {}],
  ['inbox', { peek: true }],
  ['wait_for_message', { wait_seconds: 0.1 }],
  ['contacts', {}],
  ['accept_contact', { peer: 'bob' }],
  ['verify_peer', { peer: 'bob' }],
  ['send', { to: 'bob', text: 'x' }],
  ['ask', { to: 'bob', text: 'x' }],
  ['reply', { id: NO_ID, text: 'x' }],
  ['ack', { id: NO_ID }],
  ['refuse', { id: NO_ID, reason: 'x' }],
];
const ONCE = ['send', 'ask', 'reply', 'ack', 'refuse'];

let world: McpWorld;
let bob: CodingAgent;

beforeAll(async () => {
  world = await McpWorld.create();
  await twoAgents(world);
  await world.command('alice', 'send', 'bob', 'waits');
  bob = await world.served('bob');
});
afterAll(() => world[Symbol.asyncDispose]());

/** A tool error of one line, which says what to do. */
async function expectRefusal([tool, args]: Case, code: string): Promise<void> {
  const { isError, text } = await bob.call(tool, args);
  expect({ tool, args, isError, text }).toEqual({
    tool,
    args,
    isError: true,
    text: expect.stringMatching(new RegExp(`^${code}: [^\\n]+$`)),
  });
  expect({ tool, text }).toEqual({
    tool,
    text: expect.stringMatching(/What to do: \S|try again|Trying again|stop |inbox/),
  });
}

/** What a stand-in does with a request: says this error, or ends in the middle. */
type Answer = { readonly code: string; readonly remedy: string } | 'greets' | 'ends';

/** In the place of the holder: one that greets, and then does what a test says. */
async function standIn(path: string, answer: (method: string) => Answer): Promise<AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    createInterface({ input: socket }).on('line', (line) => {
      const { id, method } = JSON.parse(line) as { id: number; method: string };
      const said = answer(method);
      if (said === 'ends') return void socket.destroy();
      const greeting = { protocol: 1, version: '1.2.3', pid: 1, name: 'bob' };
      const data = said === 'greets' ? {} : { retryable: false, ...said };
      const error = { code: -32_000, message: 'It is so', data };
      const result = said === 'greets' ? { result: greeting } : { error };
      socket.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...result })}\n`);
    });
  });
  await new Promise<void>((resolve) => void server.listen(path, resolve));
  return {
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => void server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

test('the table has every tool', async () => {
  const { tools } = await bob.client.listTools();
  const named = new Set(TOOLS.map(([tool]) => tool));
  expect([...named].toSorted()).toEqual(tools.map(({ name }) => name).toSorted());
});

describe('every tool', () => {
  test('refuses a holder of another version, and says to restart it', async () => {
    const said = { code: 'HOLDER_VERSION', remedy: 'restart agentmesh up' };
    await using _ = await standIn(world.socketOf('bob'), () => said);
    for (const one of TOOLS) await expectRefusal(one, 'HOLDER_VERSION');
  });

  test.each(MADE_BY_HOLDERS)('passes on what the holder says: %s', async (code) => {
    const said = { code, remedy: 'agentmesh doctor' };
    await using _ = await standIn(world.socketOf('bob'), (method) =>
      method === 'hello' ? 'greets' : said,
    );
    for (const one of TOOLS) await expectRefusal(one, code);
  });

  test('asks the next holder where one ends in the middle, but does nothing twice', async () => {
    const asked: string[] = [];
    await using _ = await standIn(world.socketOf('bob'), (method) => {
      if (method === 'hello') return 'greets';
      asked.push(method);
      return asked.length === 1 ? 'ends' : { code: 'NEXT', remedy: 'agentmesh doctor' };
    });
    for (const one of TOOLS) {
      const isOnce = ONCE.includes(one[0]);
      asked.length = 0;
      await expectRefusal(one, isOnce ? 'HOLDER_LOST' : 'NEXT');
      expect({ one, times: asked.length }).toEqual({ one, times: isOnce ? 1 : 2 });
    }
  });
});

test('malformed arguments are named, and nothing is done with them', async () => {
  const cases: readonly (readonly [...Case, wrong: string])[] = [
    ['peers', { all: 'yes' }, 'all'],
    ['send', { text: 'x' }, 'to'],
    ['send', { to: '', text: 'x' }, 'to'],
    ['send', { to: 'bob', data: [1] }, 'data'],
    ['send', { to: 'bob', text: 'x', wait: 'soon' }, 'wait'],
    ['ask', { to: 'bob', text: 'x', wait_seconds: -1 }, 'wait_seconds'],
    ['ask', { to: 'bob', text: 'x', deadline_seconds: 0 }, 'deadline_seconds'],
    ['call_status', { call_id: 'x' }, 'call_id: an id is 32 hex digits'],
    ['inbox', { max: 0 }, 'max'],
    ['inbox', { max: 1e9 }, 'max'],
    ['wait_for_message', { wait_seconds: 'long' }, 'wait_seconds'],
    ['reply', { id: '../x', text: 'x' }, 'id: an id is 32 hex digits'],
    ['ack', {}, 'id'],
    ['refuse', { id: NO_ID }, 'reason'],
    ['contacts', { pending: 1 }, 'pending'],
    ['accept_contact', {}, 'peer'],
    ['verify_peer', { peer: 7 }, 'peer'],
  ];
  for (const [tool, args, wrong] of cases) {
    const { isError, text } = await bob.call(tool, args);
    expect({ tool, args, isError, text }).toEqual({
      tool,
      args,
      isError: true,
      text: expect.stringMatching(
        new RegExp(`^[^\\n]*Invalid arguments for tool ${tool}: ${wrong}`),
      ),
    });
    expect(text).not.toContain('\n');
  }
});

test('unknown peers and ids, and a hub that is away: nothing is lost', async () => {
  const unknown: readonly (readonly [...Case, code: string])[] = [
    ['send', { to: 'zed', text: 'x' }, 'PEER_NOT_FOUND'],
    ['ask', { to: 'zed', text: 'x' }, 'PEER_NOT_FOUND'],
    ['accept_contact', { peer: 'zed' }, 'UNKNOWN_PEER'],
    ['verify_peer', { peer: 'zed' }, 'UNKNOWN_PEER'],
    ['call_status', { call_id: NO_ID }, 'UNKNOWN_CALL'],
    ['reply', { id: NO_ID, text: 'x' }, 'NO_MESSAGE'],
    ['ack', { id: NO_ID }, 'NO_MESSAGE'],
    ['refuse', { id: NO_ID, reason: 'x' }, 'NO_MESSAGE'],
  ];
  for (const [tool, args, code] of unknown) await expectRefusal([tool, args], code);
  const { value } = await bob.call('wait_for_message', { wait_seconds: 60 });
  const [mail] = value['messages'] as { readonly id: string; readonly prompt: string }[];
  expect(mail?.prompt).toContain('waits');
  await world.stopHub();
  while ((await bob.call('whoami')).value['connection'] !== 'offline');
  await expectRefusal(['send', { to: 'zed', text: 'x', wait_seconds: 0.1 }], 'NOT_KEPT');
  await expectRefusal(['ask', { to: 'zed', text: 'x', deadline_seconds: 1 }], 'NOT_KEPT');
  for (const tool of ['inbox', 'wait_for_message'])
    await expectRefusal([tool, tool === 'inbox' ? {} : { wait_seconds: 0.1 }], 'HUB_AWAY');
  expect(await bob.call('reply', { id: mail?.id, text: 'seen' })).toMatchObject({ isError: false });
  await world.startHub();
  const alice = await world.served('alice');
  const { text } = await alice.call('wait_for_message', { wait_seconds: 60 });
  expect(text).toContain('seen');
});
