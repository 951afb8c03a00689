import { describe, expect, test } from '@jest/globals';
import { WebAccess } from './web-access.js';
import type { WebAccessOptions } from './web-access.js';

const none: WebAccessOptions = { origins: [], hosts: [], behindProxy: false };
const here = { address: '127.0.0.1', secure: false };
const elsewhere = { address: '192.0.2.7', secure: true };

describe('web access', () => {
  const access = new WebAccess(none);

  test.each([
    ['no page, by address', { host: '127.0.0.1:7700' }, null],
    ['no page, by an address of IPv6', { host: '[::1]:7700' }, null],
    ['no page, by localhost', { host: 'LOCALHOST:7700' }, null],
    ['no page, by another name', { host: 'rebind.evil.example:7700' }, 'host'],
    ['a name that only begins well', { host: 'localhost.evil.example' }, 'host'],
    ['a host that is none', { host: 'a b' }, 'host'],
    ['no host at all', {}, null],
    ['a page of another site', { host: '127.0.0.1', origin: 'https://evil.example' }, 'origin'],
    ['a page without an origin of its own', { host: '127.0.0.1', origin: 'null' }, 'origin'],
    ['a page of another port', { host: '127.0.0.1:7700', origin: 'http://127.0.0.1:1' }, 'origin'],
    ['a page of this hub', { host: '127.0.0.1:7700', origin: 'http://127.0.0.1:7700' }, null],
    [
      'a page whose name was pointed here',
      { host: 'evil.example:7700', origin: 'http://evil.example:7700' },
      'host',
    ],
    ['another site, without its origin', { host: '::1', 'sec-fetch-site': 'cross-site' }, 'host'],
    ['the same', { host: '[::1]', 'sec-fetch-site': 'cross-site' }, 'origin'],
    ['a person', { host: 'localhost', 'sec-fetch-site': 'none' }, null],
  ])('on this machine: %s', (_what, headers, refusal) => {
    expect(access.refusalOf({ headers, ...here })).toBe(refusal);
  });

  test.each([
    ['no page, by any name', { host: 'hub.example' }, null],
    ['a page of that name', { host: 'hub.example', origin: 'https://hub.example' }, 'host'],
    ['a page of another site', { host: '192.0.2.1', origin: 'https://evil.example' }, 'origin'],
  ])('from another machine: %s', (_what, headers, refusal) => {
    expect(access.refusalOf({ headers, ...elsewhere })).toBe(refusal);
  });

  test('an allowed origin may connect, by its own name too', () => {
    const allowing = new WebAccess({ ...none, origins: ['https://app.example'] });
    const origin = 'https://app.example';
    for (const host of ['127.0.0.1:7700', 'app.example', 'anything.example']) {
      expect(allowing.refusalOf({ headers: { host, origin }, ...here })).toBeNull();
    }
    const others = ['http://app.example', 'https://app.example.evil', 'https://app.example:8443'];
    for (const other of others) {
      const headers = { host: '127.0.0.1', origin: other };
      expect(allowing.refusalOf({ headers, ...here })).toBe('origin');
    }
  });

  test('behind a proxy a page of the public name is its own where that name is allowed', () => {
    const proxied = new WebAccess({ origins: [], hosts: ['hub.example'], behindProxy: true });
    const headers = { host: 'hub.example', origin: 'https://hub.example' };
    expect(proxied.refusalOf({ headers, ...here })).toBeNull();
    expect(proxied.refusalOf({ headers: { host: 'any.example' }, ...here })).toBeNull();
    const rebound = { host: 'evil.example', origin: 'https://evil.example' };
    expect(proxied.refusalOf({ headers: rebound, ...here })).toBe('host');
  });

  test('what a proxy passes on is not from this machine', () => {
    expect(access.isLocal({ headers: { host: '127.0.0.1' }, ...here })).toBe(true);
    expect(access.isLocal({ headers: { host: '127.0.0.1' }, ...elsewhere })).toBe(false);
    expect(access.isLocal({ headers: { host: 'hub.example' }, ...here })).toBe(false);
    for (const name of ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip']) {
      expect(access.isLocal({ headers: { host: '127.0.0.1', [name]: 'x' }, ...here })).toBe(false);
    }
  });
});
