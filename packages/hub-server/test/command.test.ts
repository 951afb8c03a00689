/**
 * The `agentmesh-hub` command as a process: what it prints, how it refuses, and how it stops.
 */
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import { fromBase64Url, ready, toBase64Url } from '@agentmesh/protocol';
import type { HubConnection } from '@agentmesh/protocol';
import { Command, expectRefusal, runHub } from './hub-command.js';
import { bareSocket, join as joinHub, newAgent, rawClient, until } from './test-clients.js';
import { inFolder } from './store-samples.js';

const { version } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as { version: string };

jest.setTimeout(30_000);
beforeAll(() => ready());

describe('agentmesh-hub prints', () => {
  test('its version', () => {
    expect(runHub(['--version'])).toMatchObject({ status: 0, stdout: `${version}\n`, stderr: '' });
  });

  test('its help, with every flag and variable', () => {
    const { status, stdout } = runHub(['--help']);
    expect(status).toBe(0);
    for (const flag of ['--host', '--registration', '--tls-cert', '--behind-proxy', '--limit']) {
      expect(stdout).toContain(flag);
    }
    expect(stdout).toContain('AGENTMESH_ALLOW_PLAINTEXT');
    expect(stdout.split('\n').every((line) => line.length <= 100)).toBe(true);
  });

  test('its configuration and the key to pin, without secrets', () =>
    inFolder(async (folder) => {
      const args = ['--data', folder, '--host', '0.0.0.0', '--limit', 'connections=50'];
      const hub = await Command.start(args, { AGENTMESH_METRICS: 'off' });
      expect(hub.said('configuration')).toMatchObject({
        version,
        host: '0.0.0.0',
        data: folder,
        metrics: 'off',
        limits: { connections: 50 },
        registration: 'token',
      });
      const { hubKey } = hub.said('listening') as { hubKey: string };
      const connected = await joinWithToken(hub, readToken(folder));
      expect(toBase64Url(connected.session.hubKey)).toBe(hubKey);
      expect(fromBase64Url(hubKey)).toHaveLength(32);
      await connected.close();
      hub.signal('SIGTERM');
      expect(await hub.exit()).toBe(0);
      const everything = hub.text.join('\n') + hub.stderr;
      expect(everything).not.toContain(readToken(folder));
      expect(everything).not.toContain('PRIVATE KEY');
    }));
});

function readToken(folder: string): string {
  return readFileSync(join(folder, 'tokens'), 'utf8').trim().split('\n').at(-1) ?? '';
}

function joinWithToken(hub: Command, token: string | undefined): Promise<HubConnection> {
  const agent = newAgent('alice');
  const credentials = agent.credentials.bind(agent);
  agent.credentials = () => credentials({ token });
  return joinHub(hub.port, agent);
}

describe('agentmesh-hub refuses', () => {
  test('a bad flag and a bad variable, naming them', () => {
    expectRefusal(runHub(['--port', '70000']), 2, '--port');
    expectRefusal(runHub([], { AGENTMESH_PORT: 'x' }), 2, 'AGENTMESH_PORT');
  });

  test('a port in use', () =>
    inFolder(async (folder) => {
      const other = createServer().listen(0, '127.0.0.1');
      await once(other, 'listening');
      const { port } = other.address() as AddressInfo;
      expectRefusal(runHub(['--data', folder, '--port', String(port)]), 1, `127.0.0.1:${port}`);
      other.close();
    }));

  test('a folder that it cannot make', () =>
    inFolder((folder) => {
      writeFileSync(join(folder, 'file'), '');
      expectRefusal(runHub(['--data', join(folder, 'file', 'data')]), 1, 'Data folder');
      return Promise.resolve();
    }));

  test('a damaged database, and leaves it as it is', () =>
    inFolder(async (folder) => {
      const first = await Command.start(['--data', folder]);
      first.signal('SIGTERM');
      expect(await first.exit()).toBe(0);
      const path = join(folder, 'hub.db');
      truncateSync(path, 5_000);
      const before = readFileSync(path);
      expectRefusal(runHub(['--data', folder, '--port', '0']), 1, 'damaged');
      expect(readFileSync(path)).toEqual(before);
    }));

  test('a data folder that another hub uses', () =>
    inFolder(async (folder) => {
      const first = await Command.start(['--data', folder]);
      expectRefusal(runHub(['--data', folder, '--port', '0']), 1, 'in use by another process');
      expect(await first.page('/readyz')).toBe(200);
      first.signal('SIGTERM');
      expect(await first.exit()).toBe(0);
    }));

  test('files that do not say what they should', () =>
    inFolder((folder) => {
      const file = (name: string, text: string): string => {
        writeFileSync(join(folder, name), text, { mode: 0o600 });
        return join(folder, name);
      };
      const data = ['--data', join(folder, 'data'), '--port', '0'];
      const tokens = file('tokens', '# nothing\n');
      const args = ['--registration', 'token', '--token-file', tokens, ...data];
      expectRefusal(runHub(args), 2, 'tokens is empty');
      const list = file('list', 'alice\nB O B\n');
      const allow = ['--registration', 'allowlist', '--allowlist-file', list, ...data];
      expectRefusal(runHub(allow), 2, 'list:2');
      const pem = file('x.pem', 'nothing');
      expectRefusal(runHub(['--tls-cert', pem, '--tls-key', pem, ...data]), 1, 'TLS certificate');
      return Promise.resolve();
    }));
});

describe('agentmesh-hub off loopback', () => {
  test('makes a token, and registers nobody without it', () =>
    inFolder(async (folder) => {
      const hub = await Command.start(['--data', folder, '--host', '0.0.0.0']);
      expect(statSync(join(folder, 'tokens')).mode & 0o777).toBe(0o600);
      await expect(joinWithToken(hub, undefined)).rejects.toMatchObject({
        code: 'REGISTRATION_REFUSED',
      });
      await (await joinWithToken(hub, readToken(folder))).close();
      hub.signal('SIGTERM');
      expect(await hub.exit()).toBe(0);
    }));
});

describe('agentmesh-hub stops', () => {
  test('on SIGTERM: not ready first, then goodbye, then exit 0; the queue survives', () =>
    inFolder(async (folder) => {
      const hub = await Command.start(['--data', folder]);
      const bob = newAgent('bob');
      await (await joinHub(hub.port, bob)).close();
      const alice = await rawClient(hub.port);
      alice.send((await alice.auth(newAgent('alice').credentials())).frame);
      await alice.next('auth_ok');
      const blob = new Uint8Array(100);
      const out = { id: new Uint8Array(16), to: bob.aid, ttl: 60, blob };
      expect(await alice.codeOf({ type: 'send', envelope: out })).toBe('sent');
      const { port } = hub;
      const startedMs = Date.now();
      hub.signal('SIGTERM');
      await until(() => hub.said('stopping') !== undefined);
      expect(await hub.page('/readyz')).toBe(503);
      expect(await hub.page('/healthz')).toBe(200);
      expect((await alice.next('bye')).code).toBe('SHUTTING_DOWN');
      expect(await hub.exit()).toBe(0);
      expect(Date.now() - startedMs).toBeLessThan(10_000);
      const again = await Command.start(['--data', folder, '--port', String(port)]);
      const delivered: number[] = [];
      await joinHub(again.port, bob, { deliver: ({ seq }) => delivered.push(seq) });
      await until(() => delivered.length === 1);
      again.signal('SIGINT');
      expect(await again.exit()).toBe(0);
    }));

  test('on a second signal at once', () =>
    inFolder(async (folder) => {
      const hub = await Command.start(['--data', folder]);
      hub.signal('SIGTERM');
      await until(() => hub.said('stopping') !== undefined);
      const startedMs = Date.now();
      hub.signal('SIGTERM');
      expect(await hub.exit()).toBe(1);
      expect(Date.now() - startedMs).toBeLessThan(2_500);
    }));

  test('when its database is taken away, with one line and a code', () =>
    inFolder(async (folder) => {
      const data = join(folder, 'data');
      mkdirSync(data);
      const hub = await Command.start(['--data', data]);
      rmSync(join(data, 'hub.db'));
      await expect(joinHub(hub.port, newAgent('alice'))).rejects.toMatchObject({ code: 'STORAGE' });
      expect(await hub.exit()).toBe(1);
      expect(hub.stderr).toMatch(/^agentmesh-hub: Database file was removed[^\n]*\n$/);
    }));
});

test('a session by hand: pages, and frames over nc and openssl as the guide prints them', () =>
  inFolder(async (folder) => {
    const hub = await Command.start(['--data', folder]);
    expect(await hub.page('/healthz')).toBe(200);
    expect(await hub.page('/readyz')).toBe(200);
    expect(await hub.page('/elsewhere')).toBe(404);
    const metrics = await fetch(`http://127.0.0.1:${hub.port}/metrics`);
    expect(metrics.headers.get('content-type')).toContain('text/plain');
    expect(await metrics.text()).toContain('agentmesh_hub_queued_envelopes 0');
    for (const kind of ['tcp', 'tls'] as const) {
      const { socket, text } = await bareSocket(hub.port, kind);
      const nonce = 'A'.repeat(43);
      socket.write(`{"type":"begin","versions":[2],"features":[],"clientNonce":"${nonce}"}\r\n`);
      socket.write('{"type":"ping","id":1}\r\n');
      await until(() => text().includes('{"type":"pong","re":1}'));
      expect(text()).toMatch(/^\{"type":"hello","version":2,/);
      socket.destroy();
    }
    hub.signal('SIGTERM');
    expect(await hub.exit()).toBe(0);
  }));
