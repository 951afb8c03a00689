import { Buffer } from 'node:buffer';
import { expect, test } from '@jest/globals';
import { fromHex, hexOf, toHex } from './bytes.js';

test('hex of any length is what Node writes, and reads back', () => {
  for (const length of [0, 1, 2, 31, 32, 1_023, 1_024, 1_025, 2_048, 5_000, 100_000]) {
    const bytes = Uint8Array.from({ length }, (_, at) => (at * 7) % 256);
    const text = toHex(bytes);
    expect(text).toBe(Buffer.from(bytes).toString('hex'));
    expect(hexOf(bytes)).toBe(text);
    expect(fromHex(text)).toEqual(bytes);
  }
});
