import { describe, expect, test } from '@jest/globals';
import { toBase64Url } from '@agentmesh/protocol';
import { settingsOf } from './options.js';
import type { NetworkHubOptions } from './options.js';

describe('settingsOf', () => {
  test('a host alone means TLS over TCP on port 7700', () => {
    expect(settingsOf({ host: 'hub.example' }).address).toEqual({
      host: 'hub.example',
      port: 7700,
      transport: 'tcp',
      secure: true,
      behindProxy: false,
    });
  });

  test('URLs name transport, host and port', () => {
    expect(settingsOf('ws://127.0.0.1:7700').address).toMatchObject({
      transport: 'websocket',
      secure: false,
      port: 7700,
    });
    expect(settingsOf('wss://hub.example').address).toMatchObject({
      port: 443,
      secure: true,
      behindProxy: true,
    });
    expect(settingsOf('tcps://[::1]:7701').address).toMatchObject({
      host: '::1',
      port: 7701,
      transport: 'tcp',
    });
  });

  test('plaintext to another machine is refused unless it is asked for', () => {
    expect(() => settingsOf({ host: '10.0.0.1', tls: false })).toThrow(/allowPlaintext/);
    expect(() => settingsOf('ws://hub.example')).toThrow(/allowPlaintext/);
    expect(settingsOf({ host: '10.0.0.1', tls: false, allowPlaintext: true }).address.secure).toBe(
      false,
    );
    expect(settingsOf({ host: '127.0.0.9', tls: false }).address.secure).toBe(false);
  });

  test('a hub key is 32 bytes or their base64url text', () => {
    const key = new Uint8Array(32).fill(9);
    expect(settingsOf({ host: 'h', hubKey: key }).hubKey).toEqual(key);
    expect(settingsOf({ host: 'h', hubKey: toBase64Url(key) }).hubKey).toEqual(key);
  });

  test.each([
    ['empty host', { host: '' }],
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
    ['not a URL', 'hub.example'],
    ['http URL', 'http://hub.example'],
    ['URL with a user', 'ws://me@127.0.0.1'],
    ['URL with a path', 'ws://127.0.0.1/other'],
  ])('%s is refused with BAD_OPTION', (_name, options) => {
    expect(() => settingsOf(options as NetworkHubOptions | string)).toThrow(
      expect.objectContaining({ code: 'BAD_OPTION', retryable: false }),
    );
  });
});
