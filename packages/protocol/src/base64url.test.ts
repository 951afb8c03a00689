import { describe, expect, test } from '@jest/globals';
import { fromBase64Url, nativeBase64Url, toBase64Url } from './base64url.js';

const text = (bytes: string): Uint8Array => new TextEncoder().encode(bytes);

describe('base64url', () => {
  test.each([
    ['', ''],
    ['f', 'Zg'],
    ['fo', 'Zm8'],
    ['foo', 'Zm9v'],
    ['foob', 'Zm9vYg'],
    ['fooba', 'Zm9vYmE'],
    ['foobar', 'Zm9vYmFy'],
  ])('RFC 4648 §10 without padding: %j is %j', (bytes, encoded) => {
    expect(toBase64Url(text(bytes))).toBe(encoded);
    expect(fromBase64Url(encoded)).toEqual(text(bytes));
  });

  test('uses - and _ for the last two sextets', () => {
    expect(toBase64Url(Uint8Array.of(0xfb, 0xef, 0xff))).toBe('--__');
    expect(fromBase64Url('--__')).toEqual(Uint8Array.of(0xfb, 0xef, 0xff));
  });

  test.each(['Zg==', 'Zg=', 'Zm8=', '=', 'Zm9v\n', ' Zm9v', 'Zm 9', 'Zm9v=', 'Z', 'Zm9vY'])(
    'refuses padding, white space and impossible lengths: %j',
    (encoded) => {
      expect(() => fromBase64Url(encoded)).toThrow(
        expect.objectContaining({ code: 'BAD_ENCODING', retryable: false }),
      );
    },
  );

  test.each(['++++', '////', 'Zm9*', 'Zmé9', 'Zm9\u0131', 'Zm\u{1d41a}', 'Zm9\0', 'Āģ\u0141g'])(
    'refuses characters of other alphabets: %j',
    (encoded) => {
      expect(() => fromBase64Url(encoded)).toThrow(
        expect.objectContaining({ code: 'BAD_ENCODING' }),
      );
    },
  );

  test('accepts exactly one last character in 16 and in 4 after one and two bytes', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const accepted = (head: string): string[] =>
      alphabet.split('').filter((last) => {
        try {
          return fromBase64Url(head + last).length > 0;
        } catch {
          return false;
        }
      });
    expect(accepted('Z')).toEqual(['A', 'Q', 'g', 'w']);
    expect(accepted('Zm')).toHaveLength(16);
    expect(accepted('Zm9')).toHaveLength(64);
  });

  test('encodes a view of a larger buffer, not the buffer', () => {
    expect(toBase64Url(text('xfoox').subarray(1, 4))).toBe('Zm9v');
  });

  test('carries 1 MiB both ways', () => {
    const bytes = new Uint8Array(1_048_576).map((_, i) => (i * 31) >> 3);
    const encoded = toBase64Url(bytes);
    expect(encoded).toHaveLength(1_398_102);
    expect(Buffer.from(fromBase64Url(encoded)).equals(bytes)).toBe(true);
  });

  test('does without the engine where it has no codec', () => {
    expect(nativeBase64Url({ prototype: {} })).toBeNull();
  });
});
