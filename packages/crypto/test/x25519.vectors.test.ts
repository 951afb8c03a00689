/** X25519 through our functions, which use Node's, and through libsodium: RFC 7748, Wycheproof. */
import { beforeAll, describe, expect, test } from '@jest/globals';
import * as sodium from '../src/x25519/sodium.js';
import { checkCanonicalDhKey, checkDhKey } from '../src/public-key.js';
import { Secret } from '../src/secret.js';
import { ready } from '../src/sodium.js';
import { dh, dhKeyPair } from '../src/x25519.js';
import { failing, hex, wycheproof } from './wycheproof.js';
import type { WycheproofVector } from './wycheproof.js';

beforeAll(ready);

const BAD_KEY = expect.objectContaining({ code: 'BAD_KEY' });

/** Ours; what libsodium gives must be the same. */
function x25519(scalar: Uint8Array, u: Uint8Array): Uint8Array {
  const secret = new Secret('dh scalar', scalar);
  const shared = dh(secret, u);
  expect(sodium.sharedSecret(secret, u)).toEqual(shared);
  return shared;
}

describe('RFC 7748', () => {
  test('§5.2: the first vector', () => {
    const scalar = hex('a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4');
    const u = hex('e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c');
    expect(x25519(scalar, checkDhKey(u))).toEqual(
      hex('c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552'),
    );
  });

  test('§5.2: the second vector, whose high bit our import refuses', () => {
    const scalar = hex('4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d');
    const u = hex('e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493');
    expect(x25519(scalar, u)).toEqual(
      hex('95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957'),
    );
    expect(() => checkDhKey(u)).toThrow(BAD_KEY);
  });

  test('§5.2: 1 and 1,000 iterations', () => {
    let k = hex(`09${'00'.repeat(31)}`);
    let u = k;
    const step = () => ([k, u] = [x25519(k, u), k]);
    step();
    expect(k).toEqual(hex('422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079'));
    for (let i = 1; i < 1000; i++) step();
    expect(k).toEqual(hex('684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51'));
  });

  test('§6.1: public keys and the shared secret from both sides', () => {
    const alice = dhKeyPair(
      hex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a'),
    );
    const bob = dhKeyPair(hex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'));
    expect(alice.publicKey).toEqual(
      hex('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a'),
    );
    expect(bob.publicKey).toEqual(
      hex('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f'),
    );
    const shared = hex('4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742');
    expect(dh(alice.scalar, bob.publicKey)).toEqual(shared);
    expect(dh(bob.scalar, alice.publicKey)).toEqual(shared);
  });
});

const isRefused = (vector: WycheproofVector) => {
  expect(() => checkDhKey(vector.bytes('public'))).toThrow(BAD_KEY);
  return true;
};

wycheproof(
  'x25519_test.json',
  '474 with canonical keys of large order give the secret',
  (groups) => {
    const vectors = groups.flatMap((group) => group.vectors);
    const canonical = vectors.filter(
      ({ flags }) => !flags.includes('NonCanonicalPublic') && !flags.includes('ZeroSharedSecret'),
    );
    const wrong = failing(canonical, (vector) => {
      const shared = x25519(vector.bytes('private'), checkDhKey(vector.bytes('public')));
      return Buffer.compare(shared, vector.bytes('shared')) === 0;
    });
    expect(wrong).toEqual([]);
    expect([vectors.length, canonical.length]).toEqual([518, 474]);
  },
);

wycheproof(
  'x25519_test.json',
  'all 31 zero results are refused, at import and in use',
  (groups) => {
    const vectors = groups
      .flatMap((group) => group.vectors)
      .filter(({ flags }) => flags.includes('ZeroSharedSecret'));
    expect(failing(vectors, isRefused)).toEqual([]);
    for (const vector of vectors) {
      const [scalar, u] = [vector.bytes('private'), vector.bytes('public')];
      expect(() => x25519(scalar, u)).toThrow(BAD_KEY);
      expect(sodium.sharedSecret(new Secret('dh scalar', scalar), u)).toBeNull();
    }
    expect(vectors).toHaveLength(31);
  },
);

wycheproof('x25519_test.json', 'all 19 non-canonical keys are refused at import', (groups) => {
  const vectors = groups
    .flatMap((group) => group.vectors)
    .filter(({ flags }) => flags.includes('NonCanonicalPublic'));
  expect(failing(vectors, isRefused)).toEqual([]);
  for (const vector of vectors) {
    expect(() => checkCanonicalDhKey(vector.bytes('public'))).toThrow(BAD_KEY);
  }
  expect(vectors).toHaveLength(19);
});

test('a scalar or key of another length is INVALID_ARGUMENT', () => {
  const refusal = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
  const base = new Uint8Array(32).fill(9);
  for (const length of [0, 31, 33]) {
    expect(() => dhKeyPair(new Uint8Array(length))).toThrow(refusal);
    expect(() => x25519(base, new Uint8Array(length))).toThrow(refusal);
    expect(() => checkDhKey(new Uint8Array(length))).toThrow(BAD_KEY);
  }
});
