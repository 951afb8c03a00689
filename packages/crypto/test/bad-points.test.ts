/**
 * T-K11: bad public keys of every kind, at every place where a public key comes in. The points are
 * made here (edwards25519.ts) or taken from Wycheproof; none may be imported.
 */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { importHubKey } from '../src/hub-auth.js';
import { importIdentity } from '../src/identity.js';
import { AgentKeyPair } from '../src/key-pair.js';
import { kemKeyPair } from '../src/ml-kem.js';
import { createPrekey } from '../src/prekey-pair.js';
import { encodePrekey, parsePrekeyRecord } from '../src/prekey.js';
import { checkDhKey, checkKemKey, checkSigningKey } from '../src/public-key.js';
import { systemRandom } from '../src/random.js';
import { signingKeyFromSeed } from '../src/signature.js';
import { ready } from '../src/sodium.js';
import {
  add,
  decodePoint,
  encodePoint,
  isCanonical,
  multiply,
  orderOf,
  SMALL_ORDER,
  toBytes,
  ZERO,
} from './edwards25519.js';
import { hex, wycheproof } from './wycheproof.js';

beforeAll(ready);

const BAD_KEY = expect.objectContaining({ name: 'CryptoError', code: 'BAD_KEY' });
const FIELD_PRIME = 2n ** 255n - 19n;
const HIGH_BIT = 2n ** 255n;
const goodSigning = () => signingKeyFromSeed(new Uint8Array(32).fill(1)).publicKey;
const goodDh = hex(`09${'00'.repeat(31)}`);

function expectNoImportAsSigningKey(key: Uint8Array): void {
  expect(() => checkSigningKey(key)).toThrow(BAD_KEY);
  expect(() => importIdentity(key, goodDh)).toThrow(BAD_KEY);
  expect(() => importHubKey(key)).toThrow(BAD_KEY);
}

/** As identity key, and as prekey in a record that its owner really signed. */
function expectNoImportAsDhKey(key: Uint8Array): void {
  expect(() => checkDhKey(key)).toThrow(BAD_KEY);
  expect(() => importIdentity(goodSigning(), key)).toThrow(BAD_KEY);
  expect(() => importPrekeyWith({ dh: key })).toThrow(BAD_KEY);
}

function importPrekeyWith(change: { dh?: Uint8Array; kem?: Uint8Array }): void {
  const keyPair = AgentKeyPair.fromSecrets({
    signingSeed: new Uint8Array(32).fill(1),
    dhScalar: new Uint8Array(32).fill(2),
  });
  const common = { keyPair, kind: 'signed', id: 1, createdMs: 1, expiresMs: 2 } as const;
  const good = createPrekey({ ...common, random: systemRandom }).record;
  const { bytes } = encodePrekey({ ...good, ...change }, (signed) => keyPair.sign(signed));
  parsePrekeyRecord(bytes, keyPair.identity);
}

test('good keys are imported, so the refusals below are not of everything', () => {
  expect(importIdentity(goodSigning(), goodDh).signing).toEqual(goodSigning());
  expect(importHubKey(goodSigning())).toEqual(goodSigning());
  expect(() => importPrekeyWith({ dh: goodDh })).not.toThrow();
});

describe('T-K11 bad-points: Ed25519', () => {
  test('T-K11 bad-points: the 8 points of small order', () => {
    const encodings = SMALL_ORDER.map(encodePoint);
    expect(SMALL_ORDER.map(orderOf).toSorted()).toEqual(['1', '2', '4', '4', '8', '8', '8', '8']);
    expect(new Set(encodings.map(String)).size).toBe(8);
    encodings.forEach(expectNoImportAsSigningKey);
  });

  test('T-K11 bad-points: mixed order, a good key plus each of 7 small points', () => {
    const small = SMALL_ORDER.filter((point) => point !== ZERO && orderOf(point) !== '1');
    expect(small).toHaveLength(7);
    for (let seed = 1; seed <= 3; seed++) {
      const good = decodePoint(signingKeyFromSeed(new Uint8Array(32).fill(seed)).publicKey);
      if (good === null) throw new TypeError('a point expected');
      for (const point of small) {
        const mixed = add(good, point);
        expect(orderOf(mixed)).toBe('8L');
        expectNoImportAsSigningKey(encodePoint(mixed));
      }
      expect(() => checkSigningKey(encodePoint(multiply(3n, good)))).not.toThrow();
    }
  });

  test('T-K11 bad-points: all encodings with y of p or more, and the negative zeros', () => {
    const overPrime = Array.from({ length: 19 }, (_, i) => FIELD_PRIME + BigInt(i)).flatMap((y) => [
      y,
      y + HIGH_BIT,
    ]);
    const negativeZeros = [1n + HIGH_BIT, FIELD_PRIME - 1n + HIGH_BIT];
    const encodings = [...overPrime, ...negativeZeros].map(toBytes);
    const points = encodings.filter((bytes) => decodePoint(bytes) !== null);
    expect(points.every((bytes) => !isCanonical(bytes))).toBe(true);
    // None of them lies in the main subgroup, so canonical encoding and torsion check both refuse.
    const orders = new Set(points.map((bytes) => orderOf(decodePoint(bytes) ?? ZERO)));
    expect([...orders].toSorted()).toEqual(['1', '2', '4', '8L']);
    encodings.forEach(expectNoImportAsSigningKey);
  });

  test('T-K11 bad-points: what is not on the curve or not 32 bytes', () => {
    const off = [2n, 7n, 8n, 11n].map(toBytes).filter((bytes) => decodePoint(bytes) === null);
    expect(off.length).toBeGreaterThan(0);
    off.forEach(expectNoImportAsSigningKey);
    for (const length of [0, 31, 33, 64])
      expectNoImportAsSigningKey(new Uint8Array(length).fill(1));
  });
});

describe('T-K11 bad-points: X25519', () => {
  const smallOrder = [
    0n,
    1n,
    325606250916557431795983626356110631294008115727848805560023387167927233504n,
    39382357235489614581723060781553021112529911719440698176882885853963445705823n,
    FIELD_PRIME - 1n,
  ];

  test('T-K11 bad-points: the 5 values of small order, all their encodings', () => {
    for (const u of smallOrder) {
      expectNoImportAsDhKey(toBytes(u));
      expectNoImportAsDhKey(toBytes(u + HIGH_BIT));
    }
  });

  test('T-K11 bad-points: all 19 values of p or more, and high bits', () => {
    for (let i = 0n; i < 19n; i++) {
      expectNoImportAsDhKey(toBytes(FIELD_PRIME + i));
      expectNoImportAsDhKey(toBytes(FIELD_PRIME + i + HIGH_BIT));
    }
    expectNoImportAsDhKey(toBytes(9n + HIGH_BIT));
    for (const length of [0, 31, 33]) {
      expect(() => checkDhKey(new Uint8Array(length).fill(9))).toThrow(BAD_KEY);
      expect(() => importIdentity(goodSigning(), new Uint8Array(length).fill(9))).toThrow(BAD_KEY);
    }
  });

  wycheproof(
    'x25519_test.json',
    'T-K11 bad-points, 31 low-order and 19 non-canonical',
    (groups) => {
      const bad = groups
        .flatMap((group) => group.vectors)
        .filter(({ flags }) =>
          ['ZeroSharedSecret', 'NonCanonicalPublic'].some((flag) => flags.includes(flag)),
        );
      for (const vector of bad) expectNoImportAsDhKey(vector.bytes('public'));
      expect(bad).toHaveLength(31 + 19 - 6);
    },
  );
});

describe('T-K11 bad-points: ML-KEM-768', () => {
  const good = () => kemKeyPair(new Uint8Array(64).fill(1)).publicKey;

  /** The key with coefficient `index` set to `value`: 12 bits each, two in three bytes. */
  function withCoefficient(index: number, value: number): Uint8Array {
    const key = good().slice();
    const at = (index >> 1) * 3;
    const [a = 0, b = 0, c = 0] = key.subarray(at, at + 3);
    const pair = a | (b << 8) | (c << 16);
    const set = index % 2 === 0 ? (pair & 0xfff000) | value : (pair & 0x000fff) | (value << 12);
    key.set([set & 0xff, (set >> 8) & 0xff, set >> 16], at);
    return key;
  }

  test('T-K11 bad-points: each coefficient at the modulus is refused, below it not', () => {
    for (let index = 0; index < 768; index++) {
      expect(() => checkKemKey(withCoefficient(index, 3329))).toThrow(BAD_KEY);
      expect(() => checkKemKey(withCoefficient(index, 3328))).not.toThrow();
    }
    expect(() => importPrekeyWith({ kem: withCoefficient(0, 3329) })).toThrow(BAD_KEY);
    expect(() => importPrekeyWith({ kem: withCoefficient(767, 4095) })).toThrow(BAD_KEY);
    expect(() => importPrekeyWith({ kem: withCoefficient(767, 3328) })).not.toThrow();
  });

  wycheproof('mlkem_768_encaps_test.json', 'T-K11 bad-points, 12 over the modulus', (groups) => {
    const bad = groups
      .flatMap((group) => group.vectors)
      .filter(({ flags }) => flags.includes('ModulusOverflow'));
    for (const vector of bad) {
      const kem = vector.bytes('ek');
      expect(() => importPrekeyWith({ kem })).toThrow(BAD_KEY);
    }
    expect(bad).toHaveLength(12);
  });
});
