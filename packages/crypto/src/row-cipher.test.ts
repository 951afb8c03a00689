import { Buffer } from 'node:buffer';
import { createCipheriv, hkdfSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { openRow, sealRow } from './row-cipher.js';
import { systemRandom } from './random.js';
import { Secret } from './secret.js';

const storeKey = new Secret('store key', new Uint8Array(32).fill(7));
const place = { storeKey, table: 'row', id: 'session/00ff' };
const row = new TextEncoder().encode('what the row holds');
const sealed = sealRow({ ...place, row, random: systemRandom });

describe('sealRow', () => {
  test.each([0, 1, 15, 16, 4_096, 3_000_000])('a row of %i bytes opens again', (length) => {
    const long = new Uint8Array(length).fill(9);
    const closed = sealRow({ ...place, row: long, random: systemRandom });
    expect(closed).toHaveLength(length + 32);
    expect(Buffer.compare(openRow({ ...place, sealed: closed })!, long)).toBe(0);
  });

  test('follows the formula of its header', () => {
    const salt = new Uint8Array(16).fill(3);
    const where = Buffer.from('AgentMesh/2 store-row\0\x03row\x0csession/00ff', 'latin1');
    const okm = Buffer.from(hkdfSync('sha256', storeKey.reveal(), salt, where, 44));
    const cipher = createCipheriv('aes-256-gcm', okm.subarray(0, 32), okm.subarray(32));
    cipher.setAAD(where);
    const parts = [salt, cipher.update(row), cipher.final(), cipher.getAuthTag()];
    const expected = new Uint8Array(Buffer.concat(parts));
    expect(sealRow({ ...place, row, random: () => salt })).toEqual(expected);
  });

  test('equal rows look different each time', () => {
    const again = sealRow({ ...place, row, random: systemRandom });
    expect(again.subarray(0, 16)).not.toEqual(sealed.subarray(0, 16));
    expect(again.subarray(16)).not.toEqual(sealed.subarray(16));
  });

  test.each([
    ['a name above 255 bytes', { id: 'é'.repeat(128) }],
    ['a name that is no text', { table: undefined as unknown as string }],
    ['a store key of 31 bytes', { storeKey: new Secret('store key', new Uint8Array(31)) }],
    ['a random source that gives too little', { random: () => new Uint8Array(15) }],
    ['a row that is no bytes', { row: 'text' as unknown as Uint8Array }],
  ])('refuses %s', (_what, wrong) => {
    const seal = () => sealRow({ ...place, row, random: systemRandom, ...wrong });
    expect(seal).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('openRow', () => {
  test.each([
    ['another row', { id: 'session/00fe' }],
    ['another table', { table: 'meta' }],
    ['a place with the same letters', { table: 'ro', id: 'wsession/00ff' }],
    ['another store', { storeKey: new Secret('store key', new Uint8Array(32).fill(8)) }],
  ])('gives null for %s', (_what, other) => {
    expect(openRow({ ...place, sealed })).toEqual(row);
    expect(openRow({ ...place, ...other, sealed })).toBeNull();
  });

  test('gives null for every flipped bit', () => {
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const damaged = sealed.slice();
      damaged[bit >>> 3]! ^= 1 << (bit & 7);
      expect(openRow({ ...place, sealed: damaged })).toBeNull();
    }
  });

  test('gives null for every cut and for a byte too many', () => {
    for (let length = 0; length < sealed.length; length++) {
      expect(openRow({ ...place, sealed: sealed.slice(0, length) })).toBeNull();
    }
    expect(openRow({ ...place, sealed: Uint8Array.of(...sealed, 0) })).toBeNull();
  });
});
