/**
 * The accelerator: which back end computes, that both give the same answers bit for bit, edge cases
 * of keys and signatures included, and that a build which is absent, broken or lying is not used.
 */
import process from 'node:process';

import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import libsodium from 'libsodium-wrappers';
import { findAccelerator, warn } from '../src/accelerator/node.js';
import type { Accelerator } from '../src/accelerator/types.js';
import { cryptoBackend, ready } from '../src/sodium.js';
import {
  add,
  decodePoint,
  encodePoint,
  L,
  littleEndian,
  P,
  SMALL_ORDER,
  toBytes,
  ZERO,
} from './edwards25519.js';
import { repeat } from './seed.js';
import { SPECCHECK } from './speccheck.js';
import { hex } from './wycheproof.js';

const switchedOff = process.env['AGENTMESH_ACCELERATOR'] === 'off';
beforeAll(ready);

/** What a call gives: its result in hex, or that it refused. */
function outcome(call: () => Uint8Array | boolean): string | boolean {
  try {
    const result = call();
    return typeof result === 'boolean' ? result : Buffer.from(result).toString('hex');
  } catch {
    return 'refused';
  }
}

test('this run computes with the back end that it says', () => {
  expect(cryptoBackend()).toBe(switchedOff ? 'libsodium-wrappers' : 'sodium-native');
});

/** Both libraries behind one call; the first is the one that every host has. */
async function both(): Promise<readonly [typeof libsodium, Accelerator]> {
  const { accelerator, problem } = await findAccelerator(undefined, {});
  if (accelerator === null) throw new TypeError(`sodium-native does not load: ${problem}`);
  return [libsodium, accelerator];
}

const BASE = decodePoint(hex('58'.padEnd(64, '6'))) ?? ZERO;
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const { title, parameters } = repeat(300);

/** Encodings at the edges: small order, mixed order, not canonical, off the curve. */
const edgeKeys: readonly Uint8Array[] = [
  ...SMALL_ORDER.map(encodePoint),
  ...SMALL_ORDER.map((point) => add(point, BASE)).map(encodePoint),
  ...Array.from({ length: 40 }, (_, y) => toBytes(BigInt(y))),
  ...Array.from({ length: 19 }, (_, y) => toBytes(P + BigInt(y))),
  ...Array.from({ length: 19 }, (_, y) => toBytes(P + BigInt(y) + 2n ** 255n)),
  ...SPECCHECK.map(({ publicKey }) => hex(publicKey)),
];

describe('sodium-native and libsodium-wrappers agree, bit for bit', () => {
  test(`keys, signatures and shared secrets of random inputs (${title})`, async () => {
    const [wasm, native] = await both();
    const property = fc.property(bytes(32), bytes(32), fc.uint8Array(), (seed, other, message) => {
      const pair = wasm.crypto_sign_seed_keypair(seed);
      expect(native.crypto_sign_seed_keypair(seed)).toEqual(pair);
      const signature = wasm.crypto_sign_detached(message, pair.privateKey);
      expect(native.crypto_sign_detached(message, pair.privateKey)).toEqual(signature);
      expect(native.crypto_scalarmult_base(seed)).toEqual(wasm.crypto_scalarmult_base(seed));
      for (const library of [wasm, native]) {
        expect(library.crypto_sign_verify_detached(signature, message, pair.publicKey)).toBe(true);
      }
      const calls = [wasm, native].map((library) => [
        outcome(() => library.crypto_scalarmult(seed, other)),
        outcome(() => library.crypto_sign_ed25519_pk_to_curve25519(other)),
        outcome(() => library.crypto_sign_verify_detached(signature, message, other)),
      ]);
      expect(calls[1]).toEqual(calls[0]);
    });
    fc.assert(property, parameters);
  });

  test(`signatures with one bit, S + L or another R (${title})`, async () => {
    const [wasm, native] = await both();
    const change = fc.record({ bit: fc.nat(511), factor: fc.nat(15), edge: fc.nat() });
    const property = fc.property(bytes(32), bytes(8), change, (seed, message, changed) => {
      const { publicKey, privateKey } = wasm.crypto_sign_seed_keypair(seed);
      const signature = wasm.crypto_sign_detached(message, privateKey);
      const flipped = signature.slice();
      flipped[changed.bit >> 3] = (flipped[changed.bit >> 3] ?? 0) ^ (1 << (changed.bit & 7));
      const s = littleEndian(signature.subarray(32)) + BigInt(changed.factor) * L;
      const malleable = Buffer.concat([signature.subarray(0, 32), toBytes(s % 2n ** 256n)]);
      const edge = edgeKeys[changed.edge % edgeKeys.length] ?? publicKey;
      const otherR = Buffer.concat([edge, signature.subarray(32)]);
      for (const each of [flipped, malleable, otherR]) {
        const [a, b] = [wasm, native].map((library) =>
          outcome(() => library.crypto_sign_verify_detached(each, message, publicKey)),
        );
        expect(b).toEqual(a);
      }
    });
    fc.assert(property, parameters);
  });

  test('every key at an edge: imported, verified with and multiplied', async () => {
    const [wasm, native] = await both();
    const { privateKey } = wasm.crypto_sign_seed_keypair(new Uint8Array(32).fill(5));
    const message = Uint8Array.of(1, 2, 3);
    const signatures = [
      wasm.crypto_sign_detached(message, privateKey),
      ...edgeKeys.map((r) => Buffer.concat([r, new Uint8Array(32)])),
    ];
    for (const key of edgeKeys) {
      const [a, b] = [wasm, native].map((library) => [
        outcome(() => library.crypto_sign_ed25519_pk_to_curve25519(key)),
        outcome(() => library.crypto_scalarmult(new Uint8Array(32).fill(7), key)),
        ...signatures.map((each) =>
          outcome(() => library.crypto_sign_verify_detached(each, message, key)),
        ),
      ]);
      expect(b).toEqual(a);
    }
  });

  test('the edge cases of ed25519-speccheck', async () => {
    const [wasm, native] = await both();
    for (const row of SPECCHECK) {
      const [a, b] = [wasm, native].map((library) =>
        outcome(() =>
          library.crypto_sign_verify_detached(
            hex(row.signature),
            hex(row.message),
            hex(row.publicKey),
          ),
        ),
      );
      expect(b).toEqual(a);
    }
  });
});

describe('an accelerator that cannot be trusted is not used', () => {
  const load = (library: unknown) => () => Promise.resolve({ default: library });
  const real = async () => (await import('sodium-native')).default;

  test('absent: nothing is said', async () => {
    const absent = () =>
      Promise.reject(
        Object.assign(new TypeError("Cannot find package 'sodium-native' imported from x"), {
          code: 'ERR_MODULE_NOT_FOUND',
        }),
      );
    expect(await findAccelerator(absent, {})).toEqual({ accelerator: null, problem: null });
  });

  test('switched off: it is not even loaded', async () => {
    const environment = { AGENTMESH_ACCELERATOR: 'off' };
    const never = () => Promise.reject(new TypeError('loaded'));
    expect(await findAccelerator(never, environment)).toEqual({ accelerator: null, problem: null });
  });

  test('a binary that does not load, or a library without the functions, is a problem', async () => {
    const broken = () => Promise.reject(new TypeError('invalid ELF header\n  at somewhere'));
    expect(await findAccelerator(broken, {})).toEqual({
      accelerator: null,
      problem: 'invalid ELF header',
    });
    const empty = await findAccelerator(load({}), {});
    expect(empty.accelerator).toBeNull();
    expect(empty.problem).toContain('crypto_sign_seed_keypair');
  });

  test.each([
    ['crypto_sign_verify_detached', () => true],
    ['crypto_sign_verify_detached', () => false],
    ['crypto_sign_ed25519_pk_to_curve25519', () => {}],
    ['crypto_sign_detached', () => {}],
    ['crypto_sign_seed_keypair', () => {}],
    ['crypto_scalarmult', () => {}],
    ['crypto_scalarmult_base', () => {}],
  ])('one whose %s answers wrongly is a problem', async (name, lie) => {
    const { accelerator, problem } = await findAccelerator(
      load({ ...(await real()), [name]: lie }),
      {},
    );
    expect(accelerator).toBeNull();
    expect(problem).toContain(name);
  });

  test('the warning names what is wrong and what to do', () => {
    const emitted = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    warn('invalid ELF header');
    const [text, options] = emitted.mock.calls[0] ?? [];
    emitted.mockRestore();
    expect(options).toMatchObject({ code: 'AGENTMESH_ACCELERATOR' });
    expect(text).toContain('invalid ELF header');
    expect(text).toContain('AGENTMESH_ACCELERATOR=off');
  });
});
