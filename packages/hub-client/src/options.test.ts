import { describe, expect, test } from '@jest/globals';
import { toBase64Url } from '@agentmesh/protocol';
import { settingsOf } from './options.js';
import type { NetworkHubOptions } from './options.js';

describe('settingsOf', () => {
  test('a host alone means TLS over TCP on port 7700', () => {
    expect(settingsOf({ host: 'hub.example' }).addresses).toEqual([
      {
        host: 'hub.example',
        port: 7700,
        transport: 'tcp',
        secure: true,
        behindProxy: false,
      },
    ]);
  });

  test('URLs name transport, host and port', () => {
    expect(settingsOf('ws://127.0.0.1:7700').addresses[0]).toMatchObject({
      transport: 'websocket',
      secure: false,
      port: 7700,
    });
    expect(settingsOf('wss://hub.example').addresses[0]).toMatchObject({
      port: 443,
      secure: true,
      behindProxy: true,
    });
    expect(settingsOf('tcps://[::1]:7701').addresses[0]).toMatchObject({
      host: '::1',
      port: 7701,
      transport: 'tcp',
    });
  });

  test('a token that no frame can carry is refused with what to write', () => {
    const host = 'hub.example';
    for (const token of ['', 'two words', 'ä', 'x'.repeat(513)]) {
      expect(() => settingsOf({ host, token })).toThrow(/token must be 1 to 512 visible ASCII/);
    }
    expect(settingsOf({ host, token: 'x'.repeat(512) }).token).toHaveLength(512);
  });

  test('plaintext to another machine is refused unless it is asked for', () => {
    expect(() => settingsOf({ host: '10.0.0.1', tls: false })).toThrow(/allowPlaintext/);
    expect(() => settingsOf('ws://hub.example')).toThrow(/allowPlaintext/);
    expect(
      settingsOf({ host: '10.0.0.1', tls: false, allowPlaintext: true }).addresses[0]?.secure,
    ).toBe(false);
    expect(settingsOf({ host: '127.0.0.9', tls: false }).addresses[0]?.secure).toBe(false);
  });

  test('several hosts are texts with or without a port, or URLs', () => {
    const hosts = ['a.example', 'b.example:7701', '[::1]:7702', '::1', 'ws://127.0.0.1:80'];
    const { addresses } = settingsOf({ hosts });
    expect(addresses.map(({ host, port }) => `${host} ${port}`)).toEqual([
      'a.example 7700',
      'b.example 7701',
      '::1 7702',
      '::1 7700',
      '127.0.0.1 80',
    ]);
    expect(addresses.map(({ transport }) => transport).slice(-2)).toEqual(['tcp', 'websocket']);
    expect(settingsOf(hosts).addresses).toEqual(addresses);
    const others = { hosts: ['a', 'b:7701'], port: 1, tls: false, allowPlaintext: true };
    expect(settingsOf(others).addresses).toMatchObject([
      { host: 'a', port: 1, secure: false },
      { host: 'b', port: 7701, secure: false },
    ]);
  });

  test('of several silent addresses none takes the time of the others', () => {
    const times = (hosts: string[]) => settingsOf({ hosts, connectTimeoutMs: 9_000 }).patience;
    expect(times(['a'])).toEqual({ connectMs: 9_000, authenticationMs: 10_000 });
    expect(times(['a', 'b', 'c'])).toEqual({ connectMs: 3_000, authenticationMs: 3_000 });
    expect(times(['a', 'b', 'c', 'd', 'e', 'f'])).toEqual({
      connectMs: 2_000,
      authenticationMs: 2_000,
    });
  });

  test('a hub key is 32 bytes or their base64url text', () => {
    const key = new Uint8Array(32).fill(9);
    expect(settingsOf({ host: 'h', hubKey: key }).hubKey).toEqual(key);
    expect(settingsOf({ host: 'h', hubKey: toBase64Url(key) }).hubKey).toEqual(key);
  });

  test.each([
    ['empty host', { host: '' }],
    ['neither host nor hosts', {}],
    ['both host and hosts', { host: 'a', hosts: ['b'] }],
    ['no hosts', { hosts: [] }],
    ['no hosts in a list', []],
    ['65 hosts', { hosts: Array.from({ length: 65 }, (_, at) => `h${at}`) }],
    ['hosts that are no list', { hosts: 'a' }],
    ['a host that is no text', { hosts: [7] }],
    ['an address twice', { hosts: ['a', 'a:7700'] }],
    ['an address without a host', { hosts: [':7700'] }],
    ['an address with two ports', { hosts: ['a:1:2'] }],
    ['a port beside a URL', { hosts: ['ws://127.0.0.1'], port: 7700 }],
    ['tls beside a URL', { hosts: ['ws://127.0.0.1'], tls: true }],
    ['one plaintext host among several', { hosts: ['a', 'ws://b'] }],
    ['host with a path', { host: 'a/b' }],
    ['port 0', { host: 'h', port: 0 }],
    ['port 65536', { host: 'h', port: 65_536 }],
    ['port text', { host: 'h', port: '7700' }],
    ['unknown transport', { host: 'h', transport: 'udp' }],
    ['unknown option', { host: 'h', prot: 7700 }],
    ['wss without consent', { host: 'h', transport: 'websocket', tls: true }],
    ['short hub key', { host: 'h', hubKey: 'AAAA' }],
    ['hub key that is no base64url', { host: 'h', hubKey: '!' }],
    ['timeout of zero', { host: 'h', connectTimeoutMs: 0 }],
    ['timeout NaN', { host: 'h', requestTimeoutMs: Number.NaN }],
    ['neither host nor URL', 'hub.example/ws'],
    ['http URL', 'http://hub.example'],
    ['URL with a user', 'ws://me@127.0.0.1'],
    ['URL with a path', 'ws://127.0.0.1/other'],
  ])('%s is refused with BAD_OPTION', (_name, options) => {
    expect(() => settingsOf(options as NetworkHubOptions | string)).toThrow(
      expect.objectContaining({ code: 'BAD_OPTION', retryable: false }),
    );
  });
});
