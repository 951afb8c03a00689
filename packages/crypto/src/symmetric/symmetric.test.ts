import { describe, expect, test } from '@jest/globals';
import * as node from './node.js';
import * as noble from './noble.js';
import type { Symmetric } from './types.js';

const implementations: [string, Symmetric][] = [
  ['node', node],
  ['noble', noble],
];
const key = new Uint8Array(32).fill(1);
const nonce = new Uint8Array(12).fill(2);
const associatedData = Uint8Array.of(3, 4, 5);
const plaintext = Uint8Array.from({ length: 100 }, (_, i) => i);

describe.each(implementations)('%s', (_name, symmetric) => {
  const sealed = symmetric.aes256GcmSeal({ key, nonce, plaintext, associatedData });
  const open = (change: object) =>
    symmetric.aes256GcmOpen({ key, nonce, ciphertext: sealed, associatedData, ...change });

  test('every flipped bit of ciphertext, tag or associated data fails to authenticate', () => {
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const ciphertext = sealed.slice();
      ciphertext[bit >> 3] = (ciphertext[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(open({ ciphertext })).toBeNull();
    }
    for (let bit = 0; bit < associatedData.length * 8; bit++) {
      const flipped = associatedData.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(open({ associatedData: flipped })).toBeNull();
    }
    expect(open({})).toEqual(plaintext);
  });

  test('no shorter ciphertext authenticates, tags of 4 to 15 bytes included', () => {
    for (let length = 0; length < sealed.length; length++) {
      expect(open({ ciphertext: sealed.subarray(0, length) })).toBeNull();
    }
    const empty = symmetric.aes256GcmSeal({
      key,
      nonce,
      plaintext: new Uint8Array(0),
      associatedData,
    });
    for (const length of [4, 8, 12, 15]) {
      expect(open({ ciphertext: empty.subarray(0, length) })).toBeNull();
    }
    expect(open({ ciphertext: empty })).toEqual(new Uint8Array(0));
  });

  test.each([0, 12, 16, 24, 31, 33, 64])('a key of %d bytes is INVALID_ARGUMENT', (length) => {
    const bad = { key: new Uint8Array(length), nonce, associatedData };
    const refusal = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
    expect(() => symmetric.aes256GcmSeal({ ...bad, plaintext })).toThrow(refusal);
    expect(() => symmetric.aes256GcmOpen({ ...bad, ciphertext: sealed })).toThrow(refusal);
  });

  test.each([0, 8, 11, 13, 16])('a nonce of %d bytes is INVALID_ARGUMENT', (length) => {
    const bad = { key, nonce: new Uint8Array(length), associatedData };
    const refusal = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
    expect(() => symmetric.aes256GcmSeal({ ...bad, plaintext })).toThrow(refusal);
    expect(() => symmetric.aes256GcmOpen({ ...bad, ciphertext: sealed })).toThrow(refusal);
  });

  test.each([0, -1, 1.5, Number.NaN, 8161])(
    'an HKDF length of %d is INVALID_ARGUMENT',
    (length) => {
      const input = { salt: nonce, ikm: key, info: associatedData, length };
      expect(() => symmetric.hkdfSha256(input)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      );
    },
  );

  test('HKDF takes 1 and 8160 bytes, and an info of 1024 bytes but not of 1025', () => {
    const input = { salt: nonce, ikm: key, info: new Uint8Array(1024) };
    const long = symmetric.hkdfSha256({ ...input, length: 8160 });
    expect(long).toHaveLength(8160);
    expect(symmetric.hkdfSha256({ ...input, length: 1 })).toEqual(long.subarray(0, 1));
    const info = new Uint8Array(1025);
    expect(() => symmetric.hkdfSha256({ ...input, info, length: 1 })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });

  test('results are plain Uint8Arrays over memory of their own', () => {
    const results = [
      sealed,
      open({}),
      symmetric.hmacSha256(key, plaintext),
      symmetric.hkdfSha256({ salt: nonce, ikm: key, info: nonce, length: 44 }),
    ];
    for (const bytes of results) {
      expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
      expect(bytes?.buffer.byteLength).toBe(bytes?.length);
    }
  });

  test('inputs are left as they are', () => {
    const copy = sealed.slice();
    const damaged = sealed.slice();
    damaged[0] = (damaged[0] ?? 0) ^ 1;
    const before = damaged.slice();
    open({ ciphertext: damaged });
    expect(damaged).toEqual(before);
    expect(sealed).toEqual(copy);
    expect(plaintext[99]).toBe(99);
  });
});

test('what one implementation seals the other opens', () => {
  const input = { key, nonce, plaintext, associatedData };
  expect(node.aes256GcmSeal(input)).toEqual(noble.aes256GcmSeal(input));
  const ciphertext = noble.aes256GcmSeal(input);
  expect(node.aes256GcmOpen({ key, nonce, ciphertext, associatedData })).toEqual(plaintext);
});
