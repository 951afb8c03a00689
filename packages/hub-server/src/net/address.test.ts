import { describe, expect, test } from '@jest/globals';
import { forwardedAddress, isLoopback, plainAddress, sourceOf } from './address.js';

describe('addresses', () => {
  test.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:0:0:ffff:ffff:ffff:ffff', '2001:db8:0:0::/64'],
    ['2001:db8:0:1::1', '2001:db8:0:1::/64'],
    ['2001:0DB8:0000:0001:0:0:0:9', '2001:db8:0:1::/64'],
    ['::1', '0:0:0:0::/64'],
    ['64:ff9b::192.0.2.7', '64:ff9b:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ])('%s is of the source %s', (address, source) => {
    expect(sourceOf(address)).toBe(source);
  });

  test.each([
    ['192.0.2.7', '192.0.2.7'],
    [' 192.0.2.7:4711', '192.0.2.7'],
    ['[2001:db8::1]:443', '2001:db8::1'],
    ['2001:db8::1', '2001:db8::1'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['unknown', null],
    ['', null],
    ['192.0.2.7, 10.0.0.1', null],
  ])('an entry %j names %j', (entry, address) => {
    expect(forwardedAddress(entry)).toBe(address);
  });

  test('tell this machine from others', () => {
    expect(['127.0.0.1', '127.9.9.9', '::1'].every(isLoopback)).toBe(true);
    expect(['128.0.0.1', '::2', '10.0.0.1'].some(isLoopback)).toBe(false);
    expect(isLoopback(plainAddress('::FFFF:127.0.0.1'))).toBe(true);
  });
});
