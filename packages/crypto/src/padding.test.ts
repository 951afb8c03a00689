import { describe, expect, test } from '@jest/globals';
import { LIMITS } from './limits.js';
import { pad, paddedLength, unpad } from './padding.js';

/** The largest power of two that is not above `value`, found by doubling. */
function log2(value: number): number {
  let exponent = 0;
  for (let power = 2; power <= value; power *= 2) exponent++;
  return exponent;
}

/** Padmé (protocol.md §2.5) without floating-point logarithms. */
function padme(length: number): number {
  const exponent = log2(length);
  const kept = log2(exponent) + 1;
  const bucket = 2 ** (exponent - kept);
  return Math.ceil(length / bucket) * bucket;
}

const BAD_PADDING = expect.objectContaining({ code: 'BAD_PADDING' });

describe('every length that an envelope can carry', () => {
  const lengths = { from: LIMITS.minPaddedBytes - 4, to: LIMITS.envelopeBytes - 4 };

  test('is padded to its Padmé bucket, at most 12 % larger, and never to a shorter one', () => {
    const wrong: number[] = [];
    for (let inner = lengths.from; inner <= lengths.to; inner++) {
      const padded = paddedLength(inner);
      const overhead = padded / (inner + 4) - 1;
      const right = padded === padme(inner + 4) && overhead >= 0 && overhead <= 0.12;
      if (!right || padded < paddedLength(inner - 1)) wrong.push(inner);
    }
    expect(wrong).toEqual([]);
  });

  test('of a bucket is its own bucket: padding what is padded changes nothing', () => {
    const buckets = new Set<number>();
    for (let inner = 0; inner <= lengths.to; inner++) buckets.add(paddedLength(inner));
    for (const bucket of buckets) expect(paddedLength(bucket - 4)).toBe(bucket);
    // What an observer of one length can tell apart, from 256 bytes to 1 MiB.
    expect(buckets.size).toBe(257);
  });
});

test('lengths up to 252 bytes all look alike', () => {
  for (let inner = 0; inner <= 252; inner++) expect(paddedLength(inner)).toBe(256);
  expect(paddedLength(253)).toBe(272);
});

test('what is padded comes back, and its padding is zero', () => {
  for (const length of [0, 1, 251, 252, 253, 1000, 65_537]) {
    const inner = new Uint8Array(length).fill(0xa5);
    const padded = pad(inner);
    expect(padded).toHaveLength(paddedLength(length));
    expect(unpad(padded)).toEqual(inner);
  }
});

test('a length field that does not belong to the bucket is BAD_PADDING', () => {
  const padded = pad(new Uint8Array(300).fill(0xa5));
  const bucket = padded.length;
  for (const length of [0, 252, bucket - 3, bucket, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
    new DataView(padded.buffer).setUint32(0, length);
    expect(() => unpad(padded)).toThrow(BAD_PADDING);
  }
});

test('one byte more or less than the bucket is BAD_PADDING', () => {
  const padded = pad(new Uint8Array(300));
  expect(() => unpad(padded.subarray(0, -1))).toThrow(BAD_PADDING);
  expect(() => unpad(new Uint8Array([...padded, 0]))).toThrow(BAD_PADDING);
  for (let length = 0; length < 256; length++) {
    expect(() => unpad(new Uint8Array(length))).toThrow(BAD_PADDING);
  }
});

test('every single bit of padding that is not zero is BAD_PADDING', () => {
  const padded = pad(new Uint8Array(200));
  for (let bit = 8 * 204; bit < 8 * 256; bit++) {
    const touched = new Uint8Array(padded);
    touched[bit >> 3] = 1 << (bit & 7);
    expect(() => unpad(touched)).toThrow(BAD_PADDING);
  }
});
