import { describe, expect, test } from '@jest/globals';
import { addressOf } from '@agentmesh/crypto/verify';
import { isRegistrableName, parsePeer } from './peer.js';

const aid = new Uint8Array(32).map((_, i) => i);
const address = addressOf(aid);

describe('parsePeer', () => {
  test('reads a name', () => {
    expect(parsePeer('bob.the-2nd_x')).toEqual({ kind: 'name', name: 'bob.the-2nd_x' });
    expect(parsePeer('am2')).toEqual({ kind: 'name', name: 'am2' });
  });

  test('reads an address', () => {
    expect(parsePeer(address)).toEqual({ kind: 'address', aid });
  });

  test('reads neither in a second spelling of an address', () => {
    const last = String.fromCharCode(address.charCodeAt(54) + 1);
    expect(parsePeer(address.slice(0, 54) + last)).toBeNull();
  });

  test.each(['', 'Bob', 'bob#ec18', '-bob', 'a b', 'a'.repeat(65), address.toUpperCase()])(
    'reads nothing in %j',
    (text) => {
      expect(parsePeer(text)).toBeNull();
    },
  );
});

describe('isRegistrableName', () => {
  test('refuses a name that reads as an address, so that nobody stands in for its owner', () => {
    expect(isRegistrableName(address)).toBe(false);
    expect(isRegistrableName(`am2${'a'.repeat(52)}`)).toBe(false);
    expect(isRegistrableName(`am2${'a'.repeat(51)}`)).toBe(true);
    expect(isRegistrableName(`am2${'a'.repeat(51)}1`)).toBe(true);
  });

  test('refuses what is no text', () => {
    expect([undefined, null, 1, ['bob'], {}].some(isRegistrableName)).toBe(false);
  });
});
