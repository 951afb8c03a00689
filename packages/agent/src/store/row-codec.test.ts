import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RowReader, RowWriter } from './row-codec.js';

test('numbers of seven bits a byte read back, and what is beyond a safe integer does not', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (number) => {
      const bytes = new RowWriter().varint(number).finish();
      const row = new RowReader(bytes, 'row');
      expect(row.varint()).toBe(number);
      row.end();
    }),
  );
  expect(new RowWriter().varint(127).finish()).toHaveLength(1);
  for (const bad of [new Uint8Array(9).fill(0xff), Uint8Array.of(0x80), new Uint8Array()]) {
    expect(() => new RowReader(bad, 'row').varint()).toThrow(
      expect.objectContaining({ code: 'STORE_CORRUPT' }),
    );
  }
});
