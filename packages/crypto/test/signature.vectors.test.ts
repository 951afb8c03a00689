/** Ed25519 through our functions: RFC 8032, Wycheproof and the edge cases of ed25519-speccheck. */
import { beforeAll, describe, expect, test } from '@jest/globals';
import * as sodium from '../src/ed25519/sodium.js';
import { checkSigningKey } from '../src/public-key.js';
import { sign, signingKeyFromSeed, verifySignature } from '../src/signature.js';
import { ready } from '../src/sodium.js';
import { decodePoint, encodePoint, L, laxVerify, littleEndian, toBytes } from './edwards25519.js';
import { RFC8032 } from './rfc8032.js';
import { SPECCHECK } from './speccheck.js';
import { failing, hex, wycheproof } from './wycheproof.js';

beforeAll(ready);

function isAcceptedKey(key: Uint8Array): boolean {
  try {
    checkSigningKey(key);
    return true;
  } catch {
    return false;
  }
}

describe('RFC 8032 §7.1', () => {
  test.each(RFC8032)('$name: key, signature and verification', (vector) => {
    const key = signingKeyFromSeed(hex(vector.seed));
    expect(key.publicKey).toEqual(hex(vector.publicKey));
    expect(sign(key, hex(vector.message))).toEqual(hex(vector.signature));
    expect(sodium.sign(key, hex(vector.message))).toEqual(hex(vector.signature));
    const publicKey = checkSigningKey(hex(vector.publicKey));
    expect(verifySignature(publicKey, hex(vector.message), hex(vector.signature))).toBe(true);
  });
});

wycheproof('ed25519_test.json', 'all 151, every key passing the import check', (groups) => {
  let run = 0;
  for (const { header, vectors } of groups) {
    const { pk } = header['publicKey'] as { pk: string };
    const publicKey = checkSigningKey(hex(pk));
    const wrong = failing(vectors, (vector) => {
      const verified = verifySignature(publicKey, vector.bytes('msg'), vector.bytes('sig'));
      return verified === (vector.result === 'valid');
    });
    expect(wrong).toEqual([]);
    run += vectors.length;
  }
  expect(run).toBe(151);
});

describe('ed25519-speccheck', () => {
  const cases = SPECCHECK.map((each, index) => ({ index, ...each }));

  test.each(cases)('case $index is what its row says', (row) => {
    const lax = laxVerify(hex(row.publicKey), hex(row.message), hex(row.signature));
    expect(row).toMatchObject(lax);
  });

  // Row by row: does the import take the key, and does verification alone take the signature?
  const imported = [6, 7];
  const verified = [3];

  test.each(cases)('case $index is refused: the key, the signature or both', (row) => {
    const publicKey = hex(row.publicKey);
    const isVerified = verifySignature(publicKey, hex(row.message), hex(row.signature));
    expect(isAcceptedKey(publicKey)).toBe(imported.includes(row.index));
    expect(isVerified).toBe(verified.includes(row.index));
    expect(isAcceptedKey(publicKey) && isVerified).toBe(false);
  });
});

describe('one signature, one encoding', () => {
  const key = () => signingKeyFromSeed(new Uint8Array(32).fill(1));
  const message = Uint8Array.of(1, 2, 3);

  test('S + L is refused although the equation holds', () => {
    const signature = sign(key(), message);
    const s = littleEndian(signature.subarray(32));
    for (const factor of [1n, 2n, 7n]) {
      const malleable = Buffer.concat([signature.subarray(0, 32), toBytes(s + factor * L)]);
      expect(laxVerify(key().publicKey, message, malleable).cofactorless).toBe(true);
      expect(verifySignature(key().publicKey, message, malleable)).toBe(false);
    }
    expect(verifySignature(key().publicKey, message, signature)).toBe(true);
  });

  test('every flipped bit of signature, message or key is refused', () => {
    const { publicKey } = key();
    const signature = sign(key(), message);
    const all = Buffer.concat([publicKey, message, signature]);
    for (let bit = 0; bit < all.length * 8; bit++) {
      const flipped = new Uint8Array(all);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const [a, m, s] = [flipped.slice(0, 32), flipped.slice(32, 35), flipped.slice(35)];
      expect(verifySignature(a, m, s)).toBe(false);
    }
  });

  test('every wrong length is refused, not thrown', () => {
    const { publicKey } = key();
    const signature = sign(key(), message);
    for (let length = 0; length < 64; length++) {
      expect(verifySignature(publicKey, message, signature.subarray(0, length))).toBe(false);
    }
    expect(verifySignature(publicKey, message, Buffer.concat([signature, message]))).toBe(false);
    expect(verifySignature(publicKey.subarray(1), message, signature)).toBe(false);
    expect(verifySignature(new Uint8Array(0), message, signature)).toBe(false);
  });

  test('a key that is no point is refused, not thrown', () => {
    const noPoint = Array.from({ length: 100 }, (_, y) => toBytes(BigInt(y))).filter(
      (bytes) => decodePoint(bytes) === null,
    );
    expect(noPoint.length).toBeGreaterThan(30);
    for (const bytes of noPoint) {
      expect(isAcceptedKey(bytes)).toBe(false);
      expect(verifySignature(bytes, message, sign(key(), message))).toBe(false);
    }
    const point = decodePoint(key().publicKey);
    expect(point && encodePoint(point)).toEqual(key().publicKey);
  });
});
