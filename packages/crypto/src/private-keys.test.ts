/** What is done with private keys: Node's implementation and libsodium's, side by side. */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { Secret } from './secret.js';
import { signingKeyFromSeed } from './signature.js';
import { ready } from './sodium.js';
import * as nodeSigning from './ed25519/node.js';
import * as sodiumSigning from './ed25519/sodium.js';
import type { Ed25519 } from './ed25519/types.js';
import * as nodeDh from './x25519/node.js';
import * as sodiumDh from './x25519/sodium.js';
import type { X25519 } from './x25519/types.js';

beforeAll(ready);

const node: X25519 & Ed25519 = { ...nodeDh, ...nodeSigning };
const sodium: X25519 & Ed25519 = { ...sodiumDh, ...sodiumSigning };
const implementations: [string, X25519 & Ed25519][] = [
  ['node', node],
  ['sodium', sodium],
];
const scalarOf = (byte: number) => new Secret('dh scalar', new Uint8Array(32).fill(byte));
const base = new Uint8Array(32);
base[0] = 9;
const message = Uint8Array.of(1, 2, 3);

describe.each(implementations)('%s', (_name, curve) => {
  test('results are plain Uint8Arrays over memory of their own', () => {
    const results = [
      curve.publicKeyOf(scalarOf(1)),
      curve.sharedSecret(scalarOf(1), base),
      curve.sign(signingKeyFromSeed(new Uint8Array(32).fill(1)), message),
    ];
    for (const bytes of results) {
      expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
      expect(bytes?.buffer.byteLength).toBe(bytes?.length);
    }
  });

  test('a shared secret belongs to its two keys, however many were used before', () => {
    const scalars = Array.from({ length: 80 }, (_, at) => scalarOf(at + 1));
    const publicKeys = scalars.map((scalar) => curve.publicKeyOf(scalar));
    const [first = scalarOf(0)] = scalars;
    const firstPublic = curve.publicKeyOf(first);
    for (let pass = 0; pass < 2; pass++) {
      const shared = publicKeys.map((key) => curve.sharedSecret(first, key));
      expect(shared).toEqual(scalars.map((scalar) => curve.sharedSecret(scalar, firstPublic)));
      expect(new Set(shared.map(String)).size).toBe(80);
    }
  });

  test('what is done with a public key afterwards does not change the next result', () => {
    const key = curve.publicKeyOf(scalarOf(2));
    const before = curve.sharedSecret(scalarOf(1), key);
    const other = curve.publicKeyOf(scalarOf(3));
    const copy = key.slice();
    key.set(other);
    expect(curve.sharedSecret(scalarOf(1), copy)).toEqual(before);
    expect(curve.sharedSecret(scalarOf(1), key)).toEqual(curve.sharedSecret(scalarOf(1), other));
  });

  test('a point of small order gives no secret', () => {
    expect(curve.sharedSecret(scalarOf(1), new Uint8Array(32))).toBeNull();
  });
});

test('both give the same keys, secrets and signatures', () => {
  for (let byte = 0; byte < 256; byte += 15) {
    const scalar = scalarOf(byte);
    const key = signingKeyFromSeed(new Uint8Array(32).fill(byte));
    expect(node.publicKeyOf(scalar)).toEqual(sodium.publicKeyOf(scalar));
    expect(node.sharedSecret(scalar, base)).toEqual(sodium.publicKeyOf(scalar));
    expect(node.sign(key, message)).toEqual(sodium.sign(key, message));
  }
});

test('errors keep their stacks once a key was made', () => {
  const limit = Error.stackTraceLimit;
  node.sharedSecret(scalarOf(77), node.publicKeyOf(scalarOf(78)));
  expect(() => node.sharedSecret(scalarOf(79), new Uint8Array(31))).toThrow('key');
  expect(Error.stackTraceLimit).toBe(limit);
});
