/**
 * What an operator asks and does through the socket of a running hub: a real process, real agents
 * on its port, and the socket under bad input.
 */
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { TestAgent } from '@agentmesh/hub-compliance';
import { MemoryHubStore } from '@agentmesh/hub-local';
import type { ClaimResult, NameClaim } from '@agentmesh/hub-local';
import { addressOf, ready } from '@agentmesh/protocol';
import { NetworkHubServer } from '../src/index.js';
import { Command, runHub } from './hub-command.js';
import { operated, publish, register, send } from './operated-hub.js';
import { OperatorClient } from './operator-client.js';
import { certificate } from './served-hub.js';
import { inFolder } from './store-samples.js';
import { join as joinHub, newAgent, rawClient, until } from './test-clients.js';

jest.setTimeout(60_000);
beforeAll(() => ready());

const WAIT_MS = 20_000;

describe('an operator', () => {
  test('sees agents, queues and one agent, a page at a time', () =>
    operated(async ({ hub, operator }) => {
      const [alice, bob] = [newAgent('alice'), newAgent('bob')];
      const there = await joinHub(hub.port, bob);
      await publish(there, bob);
      await there.close();
      await send(hub.port, alice, bob, 3);
      const here = await joinHub(hub.port, alice);
      await publish(here, alice);
      const { agents, next } = await operator.call('agents', { max: 1 });
      expect({ agents, next }).toEqual({
        agents: [
          {
            name: 'alice',
            address: addressOf(alice.aid),
            listed: true,
            connected: true,
            banned: false,
            queued: 0,
          },
        ],
        next: 'alice',
      });
      expect(await operator.call('agents', { after: 'alice' })).toMatchObject({
        agents: [{ name: 'bob', connected: false, queued: 3 }],
        next: null,
      });
      expect(await operator.call('queues')).toEqual({
        queues: [
          {
            name: 'bob',
            address: addressOf(bob.aid),
            connected: false,
            messages: 3,
            bytes: 300,
          },
        ],
        messages: 3,
        bytes: 300,
      });
      expect(await operator.call('show', { agent: addressOf(bob.aid) })).toMatchObject({
        name: 'bob',
        state: 'registered',
        connected: false,
        banned: false,
        published: true,
        oneTimePrekeys: 0,
        queued: 3,
        senders: [{ name: 'alice', address: addressOf(alice.aid), messages: 3, bytes: 300 }],
      });
      expect(await operator.call('status')).toMatchObject({ agents: 2, queued: 3, port: hub.port });
      await here.close();
    }));

  test('sees also who has registered, and cannot be written to', () =>
    operated(async ({ hub, operator }) => {
      await register(hub.port, newAgent('ally'));
      await register(hub.port, newAgent('bob'));
      const { agents } = await operator.call('agents', { prefix: 'al' });
      expect(agents).toMatchObject([{ name: 'ally', listed: false, connected: false }]);
      const { agents: first, next } = await operator.call('agents', { max: 1 });
      expect({ first, next }).toMatchObject({ first: [{ name: 'ally' }], next: 'ally' });
      const { agents: rest } = await operator.call('agents', { after: 'ally' });
      expect(rest).toMatchObject([{ name: 'bob', listed: false }]);
    }));

  test('kicks an agent, which comes again', () =>
    operated(async ({ hub, operator }) => {
      const alice = newAgent('alice');
      const raw = await rawClient(hub.port);
      raw.send((await raw.auth(alice.credentials())).frame);
      await raw.next('auth_ok');
      expect(await operator.call('kick', { agent: 'alice' })).toMatchObject({ kicked: true });
      expect((await raw.next('bye')).code).toBe('SHUTTING_DOWN');
      expect(await operator.refusal('kick', { agent: 'alice' })).toBe('NOT_CONNECTED');
      await (await joinHub(hub.port, alice)).close();
    }));

  test('bans an agent: it is gone at once, and neither connects nor receives, until unbanned', () =>
    operated(async ({ folder, hub, operator }) => {
      const [alice, mallory] = [newAgent('alice'), newAgent('mallory')];
      const raw = await rawClient(hub.port);
      raw.send((await raw.auth(mallory.credentials())).frame);
      await raw.next('auth_ok');
      expect(await operator.call('ban', { agent: 'mallory' })).toMatchObject({
        added: true,
        disconnected: true,
      });
      expect((await raw.next('bye')).code).toBe('BLOCKED');
      const blocked = { code: 'BLOCKED' };
      await expect(joinHub(hub.port, mallory)).rejects.toMatchObject(blocked);
      const client = await rawClient(hub.port);
      client.send((await client.auth(alice.credentials())).frame);
      await client.next('auth_ok');
      const id = new Uint8Array(16);
      const out = { id, to: mallory.aid, ttl: 60, blob: new Uint8Array(1) };
      expect(await client.codeOf({ type: 'send', envelope: out })).toBe('BLOCKED');
      expect(statSync(join(folder, 'banned')).mode & 0o777).toBe(0o600);
      expect(await operator.call('show', { agent: 'mallory' })).toMatchObject({ banned: true });
      // A ban is no part of the process.
      hub.signal('SIGKILL');
      await hub.exit();
      const again = await Command.start(['--data', folder]);
      await expect(joinHub(again.port, mallory)).rejects.toMatchObject(blocked);
      const later = await OperatorClient.connect(folder);
      expect(await later.call('banned')).toMatchObject({
        banned: [{ address: addressOf(mallory.aid) }],
      });
      await later.call('unban', { agent: 'mallory' });
      expect(await later.refusal('unban', { agent: 'mallory' })).toBe('NOT_BANNED');
      await (await joinHub(again.port, mallory)).close();
      later.end();
      again.signal('SIGKILL');
      await again.exit();
    }));

  test('bans an agent that is just being let in', async () => {
    let isOut = false;
    class Store extends MemoryHubStore {
      override claim(claim: NameClaim): Promise<ClaimResult> {
        isOut = true;
        return super.claim(claim);
      }
    }
    const tls = await certificate();
    const server = new NetworkHubServer({
      store: new Store(),
      port: 0,
      tls,
      isBlocked: () => isOut,
    });
    await server.start();
    await expect(joinHub(server.port, newAgent('mallory'))).rejects.toMatchObject({
      code: 'BLOCKED',
    });
    await server.stop();
  });

  test('purges a queue; each sender is told', () =>
    operated(async ({ hub, operator }) => {
      const [alice, bob] = [newAgent('alice'), newAgent('bob')];
      await register(hub.port, bob);
      await send(hub.port, alice, bob, 3);
      const notices: string[] = [];
      const here = await joinHub(hub.port, alice, {
        notice: ({ what }) => void notices.push(what),
      });
      expect(await operator.call('purge', { agent: 'bob' })).toMatchObject({ purged: 3 });
      await until(() => notices.length === 3, WAIT_MS);
      expect(new Set(notices)).toEqual(new Set(['dead_lettered']));
      expect(await operator.call('queues')).toMatchObject({ queues: [], messages: 0 });
      expect(await operator.call('purge', { agent: 'bob' })).toMatchObject({ purged: 0 });
      await here.close();
    }));

  test('frees a name of an agent that is gone, for another identity', () =>
    operated(async ({ hub, operator }) => {
      const [lost, next, alice] = [newAgent('bob'), newAgent('bob'), newAgent('alice')];
      const here = await joinHub(hub.port, lost);
      expect(await operator.refusal('free', { name: 'bob' })).toBe('STILL_CONNECTED');
      await here.close();
      await send(hub.port, alice, lost, 2);
      await expect(joinHub(hub.port, next)).rejects.toMatchObject({ code: 'NAME_TAKEN' });
      expect(await operator.call('free', { name: 'bob' })).toEqual({
        address: addressOf(lost.aid),
        purged: 2,
      });
      expect(await operator.refusal('free', { name: 'bob' })).toBe('NO_SUCH_AGENT');
      await (await joinHub(hub.port, next)).close();
      await expect(joinHub(hub.port, lost)).rejects.toMatchObject({ code: 'NAME_TAKEN' });
    }));

  test('makes a token that works at once and after a restart', () =>
    operated(
      async ({ folder, hub, operator }) => {
        const { token, file } = await operator.call('newToken');
        expect(readFileSync(String(file), 'utf8')).toContain(`${String(token)}\n`);
        await joinWith(hub.port, newAgent('alice'), String(token));
        hub.signal('SIGKILL');
        await hub.exit();
        const again = await Command.start(['--data', folder, '--registration', 'token']);
        await joinWith(again.port, newAgent('carol'), String(token));
        again.signal('SIGKILL');
        await again.exit();
      },
      ['--registration', 'token'],
    ));

  test('gets no token from a hub that asks for none', () =>
    operated(async ({ operator }) => {
      expect(await operator.refusal('newToken')).toBe('NO_TOKENS');
    }));
});

async function joinWith(port: number, agent: TestAgent, token: string): Promise<void> {
  const credentials = agent.credentials.bind(agent);
  agent.credentials = () => credentials({ token });
  await register(port, agent);
}

describe('the socket', () => {
  test('is for its own user only, and gone after an orderly end', () =>
    inFolder(async (folder) => {
      const hub = await Command.start(['--data', folder]);
      const path = join(folder, 'hub.sock');
      expect(statSync(path).isSocket()).toBe(true);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      hub.signal('SIGTERM');
      expect(await hub.exit()).toBe(0);
      expect(existsSync(path)).toBe(false);
    }));

  test('of a killed hub is taken over', () =>
    inFolder(async (folder) => {
      const first = await Command.start(['--data', folder]);
      first.signal('SIGKILL');
      await first.exit();
      expect(existsSync(join(folder, 'hub.sock'))).toBe(true);
      const second = await Command.start(['--data', folder]);
      const operator = await OperatorClient.connect(folder);
      expect(await operator.call('status')).toMatchObject({ port: second.port });
      operator.end();
      second.signal('SIGKILL');
      await second.exit();
    }));

  test('cannot be made where a file lies in its place: the hub runs without it, and says so', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'hub.sock');
      writeFileSync(path, 'mine');
      await expectNoSocket(folder);
      expect(readFileSync(path, 'utf8')).toBe('mine');
    }));

  test('cannot be made where somebody listens: the hub runs without it, and says so', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'hub.sock');
      const other: Server = createServer().listen(path);
      await once(other, 'listening');
      await expectNoSocket(folder);
      expect(statSync(path).isSocket()).toBe(true);
      other.close();
    }));

  test('answers what is no request, and goes on', () =>
    operated(async ({ operator }) => {
      const codes: unknown[] = [];
      for (const line of ['{', '[]', '1', '{"jsonrpc":"2.0","id":1,"method":"nothing"}']) {
        codes.push((await operator.say(line)).error?.code);
      }
      expect(codes).toEqual([-32_700, -32_600, -32_600, -32_601]);
      for (const params of [{ agent: 1 }, { agent: '' }, { agent: 'bob', more: 1 }, [], 'x']) {
        const request = { jsonrpc: '2.0', id: 1, method: 'show', params };
        const { error } = await operator.say(JSON.stringify(request));
        expect(error?.data?.['code']).toBe('BAD_PARAMS');
      }
      for (const agent of ['nobody', '../etc', 'am2nothing', '\u001b[2J']) {
        const request = { jsonrpc: '2.0', id: 1, method: 'show', params: { agent } };
        const { error } = await operator.say(JSON.stringify(request));
        expect(error?.data?.['code']).toBe('NO_SUCH_AGENT');
        expect(error?.message).not.toContain('\u001b');
      }
      expect(await operator.refusal('hello', { protocol: 9, version: '9', client: 'x' })).toBe(
        'CONTROL_VERSION',
      );
      expect(await operator.call('status')).toMatchObject({ agents: 0 });
    }));

  test('ends a connection that sends a line without end; the hub and others go on', () =>
    operated(async ({ folder, operator, hub }) => {
      const flood = connect(join(folder, 'hub.sock'));
      flood.on('error', () => undefined);
      const closed = new Promise((resolve) => void flood.once('close', resolve));
      flood.write('x'.repeat(1_500_000));
      await closed;
      expect(await operator.call('status')).toMatchObject({ port: hub.port });
    }));

  test('serves many operators at once', () =>
    operated(async ({ folder }) => {
      const clients = await Promise.all(
        Array.from({ length: 20 }, () => OperatorClient.connect(folder)),
      );
      const results = await Promise.all(clients.map((client) => client.call('agents')));
      expect(results.every(({ next }) => next === null)).toBe(true);
      for (const client of clients) client.end();
    }));
});

async function expectNoSocket(folder: string): Promise<void> {
  const hub = await Command.start(['--data', folder]);
  const { reason } = hub.said('no operator socket') ?? {};
  expect(reason).toContain(join(folder, 'hub.sock'));
  expect(await hub.page('/readyz')).toBe(200);
  hub.signal('SIGKILL');
  await hub.exit();
}

test('a list of banned agents that cannot be read keeps the hub from starting', () =>
  inFolder((folder) => {
    writeFileSync(join(folder, 'banned'), '# comment\nmallory\n', { mode: 0o600 });
    const { status, stderr } = runHub(['--data', folder, '--port', '0']);
    expect(status).toBe(2);
    expect(stderr).toContain('banned:2 is not an am2 address');
    return Promise.resolve();
  }));
