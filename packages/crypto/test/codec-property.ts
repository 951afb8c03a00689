/**
 * P5: what one encoding for each value means, as properties over any binary codec, and the values
 * that several of them share.
 */
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { concatBytes } from '../src/bytes.js';
import { CryptoError } from '../src/errors.js';
import type { CryptoErrorCode } from '../src/errors.js';
import { Secret } from '../src/secret.js';
import { anyMutation, mutate } from './mutation.js';
import { repeat } from './seed.js';

/** One way only: what decodes, and the codes that a refusal may carry. */
export interface Decoder<Value> {
  readonly decode: (bytes: Uint8Array) => Value;
  readonly codes: readonly CryptoErrorCode[];
}

export interface Codec<Value> extends Decoder<Value> {
  readonly values: fc.Arbitrary<Value>;
  readonly encode: (value: Value) => Uint8Array;
}

/** Secrets compare by what they hold; two of them would otherwise always look equal. */
export function plain(value: unknown): unknown {
  if (value instanceof Secret) return { kind: value.kind, bytes: value.reveal() };
  if (value instanceof Uint8Array || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

/** What decoding gives, or null when it is refused as it should be; anything else is thrown. */
export function decodeOrRefuse<Value>(
  codec: Decoder<Value>,
  bytes: Uint8Array,
): { value: Value } | null {
  try {
    return { value: codec.decode(bytes) };
  } catch (error) {
    if (error instanceof CryptoError && codec.codes.includes(error.code)) return null;
    throw error;
  }
}

/** Jest is asked only when something differs: each `expect` makes an error with its stack. */
function expectRefused<Value>(codec: Decoder<Value>, bytes: Uint8Array): void {
  const accepted = decodeOrRefuse(codec, bytes);
  if (accepted !== null) expect(accepted).toBeNull();
}

/** Equality, many times cheaper than jest's own; a failure shows both values. */
export function expectSame(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) expect({ actual, expected }).toBeNull();
}

export const aCut = fc.integer({ min: 0, max: 9_999 });
const aByte = fc.integer({ min: 0, max: 255 });

function propertyOf<Value>(codec: Codec<Value>) {
  return fc.property(
    codec.values,
    anyMutation,
    aCut,
    aByte,
    fc.boolean(),
    (value, mutation, cut, byte, atFront) => {
      const bytes = codec.encode(value);
      const decoded = codec.decode(bytes);
      expectSame(plain(decoded), plain(value));
      expectSame(codec.encode(decoded), bytes);

      expectRefused(codec, bytes.subarray(0, Math.floor((cut / 10_000) * bytes.length)));
      const extra = Uint8Array.of(byte);
      expectRefused(codec, atFront ? concatBytes(extra, bytes) : concatBytes(bytes, extra));

      const damaged = mutate(bytes, mutation);
      const accepted = decodeOrRefuse(codec, damaged);
      if (accepted !== null) expectSame(codec.encode(accepted.value), damaged);
    },
  );
}

/** All prefixes and all one-byte extensions of a few values. */
function exhaustiveOf<Value>(codec: Codec<Value>) {
  return fc.property(codec.values, (value) => {
    const bytes = codec.encode(value);
    for (let length = 0; length < bytes.length; length++) {
      expectRefused(codec, bytes.subarray(0, length));
    }
    for (let byte = 0; byte < 256; byte++) {
      expectRefused(codec, concatBytes(bytes, Uint8Array.of(byte)));
    }
  });
}

export function describeCodec<Value>(name: string, codec: Codec<Value>, runs = 10_000): void {
  const many = repeat(runs);
  const few = repeat(runs >= 10_000 ? 20 : 2);
  describe(`P5 codecs: ${name}`, () => {
    test(`one encoding for each value, damaged ones included (${many.title})`, () => {
      fc.assert(propertyOf(codec), many.parameters);
    }, 60_000);

    test(`every prefix and every one-byte extension is refused (${few.title})`, () => {
      fc.assert(exhaustiveOf(codec), few.parameters);
    }, 60_000);
  });
}

export const bytesOf = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
/** Long opaque fields: what is in them matters to no codec, and drawing each byte takes time. */
export const opaque = (length: number) =>
  bytesOf(16).map((bytes) => Uint8Array.from({ length }, (_, i) => bytes[i % 16] ?? 0));
export const someBytes = (maxLength: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ maxLength });
export const u32s = fc.oneof(
  fc.constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff),
  fc.integer({ min: 0, max: 0xffff_ffff }),
);
export const positiveU32s = u32s.map((value) => Math.max(1, value));
export const u64s = fc.oneof(
  fc.constantFrom(0, 1, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
  fc.maxSafeNat(),
);
export const names = fc
  .tuple(
    fc.constantFrom(...'abcxyz0189'.split('')),
    fc.string({ unit: fc.constantFrom(...'abcxyz0189._-'.split('')), maxLength: 63 }),
  )
  .map(([first, rest]) => first + rest);
