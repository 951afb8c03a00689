import { homedir } from 'node:os';
import { describe, expect, test } from '@jest/globals';
import { OPTIONS, variableOf } from './option-table.js';
import { readCommand } from './options.js';
import type { HubConfig } from './options.js';
import { shownStore } from './store-options.js';

function configOf(args: string[], env: Record<string, string> = {}): HubConfig {
  const command = readCommand(args, env);
  if (command.name !== 'serve') throw new TypeError(command.name);
  return command.config;
}

function refusalOf(args: string[]): Error {
  try {
    readCommand(args, {});
  } catch (error) {
    return error as Error;
  }
  throw new TypeError('not refused');
}

describe('readCommand', () => {
  test('without anything gives a hub for this machine, open to it', () => {
    expect(configOf([])).toEqual({
      host: '127.0.0.1',
      port: 7_700,
      data: './agentmesh-hub-data',
      store: { kind: 'sqlite', folder: './agentmesh-hub-data' },
      registration: 'open',
      tokenFile: null,
      allowlistFile: null,
      tls: null,
      behindProxy: false,
      allowPlaintext: false,
      requireTls: false,
      allowedOrigins: [],
      allowedHosts: [],
      metrics: 'loopback',
      maxDiskBytes: null,
      acceptLostLog: false,
      limits: {},
      logLevel: 'info',
    });
  });

  test('off loopback asks for a token unless told otherwise', () => {
    for (const host of ['0.0.0.0', '::', 'hub.example', '192.0.2.1']) {
      expect(configOf(['--host', host]).registration).toBe('token');
    }
    for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost']) {
      expect(configOf(['--host', host]).registration).toBe('open');
    }
    expect(configOf(['--host', '::', '--registration', 'open']).registration).toBe('open');
  });

  test('behind a proxy asks for a token too: loopback is then everybody', () => {
    expect(configOf(['--behind-proxy'])).toMatchObject({
      registration: 'token',
      metrics: 'loopback',
    });
    expect(configOf(['--behind-proxy', '--registration', 'open']).registration).toBe('open');
  });

  test('takes origins in the form that browsers send', () => {
    const args = [
      '--allow-origin',
      'https://App.example:443/',
      '--allow-origin',
      'http://[::1]:80',
    ];
    expect(configOf(args).allowedOrigins).toEqual(['https://app.example', 'http://[::1]']);
    const env = { AGENTMESH_ALLOW_HOST: 'a.example,b.example' };
    expect(configOf([], env).allowedHosts).toEqual(['a.example', 'b.example']);
  });

  test('passes over what Kubernetes sets for a Service that is named agentmesh, and says so', () => {
    const env = {
      AGENTMESH_SERVICE_HOST: '10.96.0.12',
      AGENTMESH_PORT: 'tcp://10.96.0.12:7700',
      AGENTMESH_PORT_7700_TCP: 'tcp://10.96.0.12:7700',
    };
    const command = readCommand([], env);
    expect(command).toMatchObject({ ignored: ['AGENTMESH_PORT'], config: { port: 7_700 } });
    expect(readCommand(['--port', '1'], env)).toMatchObject({ config: { port: 1 } });
    expect(readCommand([], { AGENTMESH_DATA: '/tcp://x' })).toMatchObject({ ignored: [] });
  });

  test('says what was expected and what came, with nothing in it that a terminal obeys', () => {
    const { message } = refusalOf(['--port', '77\u001b[2J\u202e00']);
    expect(message).toContain(
      '--port or AGENTMESH_PORT: expected a whole number from 0 to 65535, ' +
        'not "77\\u001b[2J\\u202e00"',
    );
    expect(refusalOf(['--registration', 'x'.repeat(1_000)]).message.length).toBeLessThan(200);
    expect(refusalOf(['--\u001b[2J']).message).not.toContain('\u001b');
  });

  test('takes ~ for the home folder where no shell did', () => {
    const { data, tokenFile, store } = configOf(['--token-file', '~/t', '--store', 'sqlite:~/s'], {
      AGENTMESH_DATA: '~/hub',
    });
    const home = homedir();
    expect([data, tokenFile]).toEqual([`${home}/hub`, `${home}/t`]);
    expect(store).toEqual({ kind: 'sqlite', folder: `${home}/s` });
  });

  test('takes a variable for every flag, and the flag wins', () => {
    const env = {
      AGENTMESH_PORT: '1',
      AGENTMESH_BEHIND_PROXY: 'yes',
      AGENTMESH_LIMIT: 'connections=5,sendBurst=2',
      AGENTMESH_MAX_DISK: '20G',
      AGENTMESH_TOKEN_FILE: '',
    };
    expect(configOf(['--port', '2'], env)).toMatchObject({
      port: 2,
      behindProxy: true,
      limits: { connections: 5, sendBurst: 2 },
      maxDiskBytes: 20 * 2 ** 30,
      tokenFile: null,
    });
    for (const name of Object.keys(OPTIONS))
      expect(variableOf(name)).toMatch(/^AGENTMESH_[A-Z_]+$/);
  });

  test('help and version come before everything else', () => {
    expect(readCommand(['--version'], {}).name).toBe('version');
    expect(readCommand(['-h', '--port', 'x'], {}).name).toBe('help');
  });

  test.each([
    [['--port', '65536'], '--port'],
    [['--port=-1'], '--port'],
    [['--prot', '1'], '--prot'],
    [['--host', 'not a host'], '--host'],
    [['--registration', 'maybe'], '--registration'],
    [['--registration', 'allowlist'], '--allowlist-file'],
    [['--tls-cert', 'x.pem'], '--tls-key'],
    [['--limit', 'connections=2000000'], 'connections'],
    [['--limit', 'connections=0'], 'connections'],
    [['--limit', 'nothing=1'], 'nothing'],
    [['--limit', 'connections'], '--limit'],
    [['--max-disk', '12X'], '--max-disk'],
    [['--metrics', 'everyone'], '--metrics'],
    [['--log-level', 'loud'], '--log-level'],
    [['--data', ''], '--data'],
    [['extra'], 'extra'],
    [['--store', 'postgres://x'], '--store'],
    [['--store', 'nats://'], '--store'],
    [['--store', 'nats://a:4222,b:port'], '--store'],
    [['--store', 'nats://a', '--nats-replicas', '6'], '--nats-replicas'],
    [['--store', 'nats://a', '--nats-shards', '0'], '--nats-shards'],
    [['--store', 'nats://a', '--nats-prefix', 'a.b'], '--nats-prefix'],
    [['--store', 'nats://a', '--nats-cert', 'x.pem'], '--nats-key'],
    [['--store', 'nats://u:p@a', '--nats-creds', 'x'], '--nats-creds'],
    [['--store', 'nats://a', '--max-disk', '1G'], '--max-disk'],
    [['--nats-creds', 'x.creds'], '--nats-creds'],
    [['--hub-key-file', 'hub.key'], '--hub-key-file'],
    [['--allow-origin', 'app.example'], '--allow-origin'],
    [['--allow-origin', 'https://app.example/path'], '--allow-origin'],
    [['--allow-origin', '*'], '--allow-origin'],
    [['--allow-host', 'hub.example:7700'], '--allow-host'],
    [['--require-tls', '--allow-plaintext'], '--allow-plaintext'],
  ])('refuses %j in one line', (args, what) => {
    const refusal = refusalOf(args);
    expect(refusal).toMatchObject({ code: 'BAD_OPTION', retryable: false });
    expect(refusal.message).toContain(what);
    expect(refusal.message).not.toContain('\n');
  });

  test('takes a store in NATS by flags or variables, and shows it without its secrets', () => {
    const servers = 'nats://hub:sec%20ret@a:4222,nats://b';
    const env = { AGENTMESH_STORE: servers, AGENTMESH_NATS_REPLICAS: '3' };
    const { store } = configOf(['--data', '/d', '--nats-ca', 'ca.pem'], env);
    expect(store).toMatchObject({ kind: 'nats', servers, replicas: 3, tlsCaFile: 'ca.pem' });
    expect(store).toMatchObject({ hubKeyFile: '/d/hub.key' });
    expect(shownStore(store)).toMatchObject({ servers: ['a:4222', 'b'], replicas: 3 });
    expect(JSON.stringify(shownStore(store))).not.toMatch(/hub:|sec/);
    const folder = configOf(['--store', 'sqlite:/elsewhere']).store;
    expect(folder).toEqual({ kind: 'sqlite', folder: '/elsewhere' });
  });

  test('never repeats a store that it refuses: a password may be in it', () => {
    const { message } = refusalOf(['--store', 'nats://hub:secret@']);
    expect(message).not.toContain('secret');
  });

  test('refuses a bad variable by its name', () => {
    expect(() => readCommand([], { AGENTMESH_BEHIND_PROXY: 'maybe' })).toThrow(
      'AGENTMESH_BEHIND_PROXY',
    );
  });
});
