import { describe, expect, test } from '@jest/globals';
import { toBase64Url } from './base64url.js';
import { decodeBundle, encodeBundle } from './bundle.js';

const record = new Uint8Array(225).fill(1);
const signed = new Uint8Array(1337).fill(2);
const oneTime = new Uint8Array(1337).fill(3);
const bytes = (length: number) => new Uint8Array(length);
const json = { record: toBase64Url(record), signed: toBase64Url(signed) };

describe('bundles as JSON', () => {
  test('of an identity that begins no more sessions carry the record, and why', () => {
    const revocation = new Uint8Array(110).fill(4);
    expect(encodeBundle({ record })).toEqual({ record: json.record });
    const revoked = encodeBundle({ record, revocation });
    expect(revoked).toEqual({ record: json.record, revocation: toBase64Url(revocation) });
    expect(decodeBundle(revoked)).toEqual({ record, revocation });
  });

  test('carry a one-time prekey or none', () => {
    expect(encodeBundle({ record, signed })).toEqual(json);
    expect(encodeBundle({ record, signed, oneTime: undefined })).toEqual(json);
    expect(decodeBundle(json)).toEqual({ record, signed });
    expect(decodeBundle(encodeBundle({ record, signed, oneTime }))).toEqual({
      record,
      signed,
      oneTime,
    });
  });

  test.each<[string, unknown, string]>([
    ['nothing', undefined, 'bundle'],
    ['a text', JSON.stringify(json), 'bundle'],
    ['an array', [json.record, json.signed], 'bundle'],
    ['no record', { signed: json.signed }, 'record'],
    ['a revocation of 109 bytes', { ...json, revocation: toBase64Url(bytes(109)) }, 'revocation'],
    ['an unknown key', { ...json, extra: 1 }, 'bundle'],
    [
      'an own __proto__',
      JSON.parse(JSON.stringify(json).replace('{', '{"__proto__":1,')),
      'bundle',
    ],
    ['bytes instead of text', { ...json, record }, 'record'],
    ['padding', { ...json, record: `${json.record.slice(0, -1)}=` }, 'record'],
    ['a record of 351 bytes', { ...json, record: toBase64Url(new Uint8Array(351)) }, 'record'],
    ['an empty record', { ...json, record: '' }, 'record'],
    ['a prekey of 1,336 bytes', { ...json, signed: toBase64Url(new Uint8Array(1336)) }, 'signed'],
    ['a prekey of 1,338 bytes', { ...json, oneTime: toBase64Url(new Uint8Array(1338)) }, 'oneTime'],
    ['null as one-time prekey', { ...json, oneTime: null }, 'oneTime'],
  ])('refuse %s', (_, value, field) => {
    expect(() => decodeBundle(value)).toThrow(
      expect.objectContaining({
        code: 'BAD_BUNDLE',
        message: expect.stringContaining(`(${field})`) as unknown,
      }),
    );
  });

  test('are not made of parts of impossible length', () => {
    expect(() => encodeBundle({ record, signed: record })).toThrow(
      expect.objectContaining({ code: 'BAD_BUNDLE' }),
    );
  });
});
