/** T-K12: what people compare matches as a whole or not at all (protocol.md §2.14). */
import { describe, expect, test } from '@jest/globals';
import { fingerprintOf, fingerprintsEqual, safetyNumber } from '../src/fingerprint.js';

const aid = Uint8Array.from({ length: 32 }, (_, i) => (i * 37 + 200) & 0xff);
const fingerprint = fingerprintOf(aid);

describe('T-K12 fingerprint-compare', () => {
  test('T-K12 fingerprint-compare: 8 groups of 4 lower-case hex digits over 16 bytes', () => {
    expect(fingerprint).toBe('c8ed:1237:5c81:a6cb:f015:3a5f:84a9:cef3');
    expect(fingerprintsEqual(fingerprint, fingerprintOf(aid.slice()))).toBe(true);
  });

  test('T-K12 fingerprint-compare: one nibble off never matches, wherever it is', () => {
    for (let at = 0; at < fingerprint.length; at++) {
      if (fingerprint[at] === ':') continue;
      for (const digit of '0123456789abcdef') {
        const other = fingerprint.slice(0, at) + digit + fingerprint.slice(at + 1);
        expect(fingerprintsEqual(fingerprint, other)).toBe(other === fingerprint);
        expect(fingerprintsEqual(other, fingerprint)).toBe(other === fingerprint);
      }
    }
  });

  test('T-K12 fingerprint-compare: no other length matches, nor two equal short ones', () => {
    for (let length = 0; length < fingerprint.length; length++) {
      const short = fingerprint.slice(0, length);
      expect(fingerprintsEqual(short, fingerprint)).toBe(false);
      expect(fingerprintsEqual(fingerprint, short)).toBe(false);
      expect(fingerprintsEqual(short, short)).toBe(false);
    }
    for (const tail of ['0', ':', ':0000', ' ', '\n', '\0', fingerprint]) {
      expect(fingerprintsEqual(fingerprint, fingerprint + tail)).toBe(false);
      expect(fingerprintsEqual(fingerprint + tail, fingerprint + tail)).toBe(false);
    }
  });

  test('T-K12 fingerprint-compare: mixed case and other spellings never match', () => {
    const spellings = [
      fingerprint.toUpperCase(),
      fingerprint.replace('c8ed', 'C8ed'),
      fingerprint.replaceAll(':', ''),
      fingerprint.replaceAll(':', ' '),
      fingerprint.replaceAll(':', '-'),
      ` ${fingerprint}`,
      fingerprint.replace('0', 'O'),
      fingerprint.replace('c8ed', 'с8ed'),
    ];
    for (const spelling of spellings) {
      expect(fingerprintsEqual(fingerprint, spelling)).toBe(false);
      expect(fingerprintsEqual(spelling, spelling)).toBe(false);
    }
  });

  test('T-K12 fingerprint-compare: what is not a text never matches', () => {
    for (const value of [undefined, null, 0, {}, [fingerprint], new String(fingerprint)]) {
      expect(fingerprintsEqual(value as string, fingerprint)).toBe(false);
      expect(fingerprintsEqual(fingerprint, value as string)).toBe(false);
      expect(fingerprintsEqual(value as string, value as string)).toBe(false);
    }
  });

  test('the fingerprint covers the first 16 bytes of the aid, which cover both keys', () => {
    for (let byte = 0; byte < 32; byte++) {
      const other = aid.slice();
      other[byte] = (other[byte] ?? 0) ^ 1;
      expect(fingerprintsEqual(fingerprint, fingerprintOf(other))).toBe(byte >= 16);
    }
  });
});

describe('safety number', () => {
  test('it is the same on both sides, 12 words of 5 digits, and changes with either aid', () => {
    const other = aid.toReversed();
    const number = safetyNumber(aid, other);
    expect(number).toMatch(/^\d{5}( \d{5}){11}$/);
    expect(safetyNumber(other, aid)).toBe(number);
    for (let byte = 0; byte < 32; byte++) {
      const changed = aid.slice();
      changed[byte] = (changed[byte] ?? 0) ^ 0x80;
      expect(safetyNumber(changed, other)).not.toBe(number);
      expect(safetyNumber(other, changed)).not.toBe(number);
    }
  });

  test.each([0, 16, 31, 33])('an aid of %d bytes is INVALID_ARGUMENT', (length) => {
    const refusal = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
    expect(() => fingerprintOf(new Uint8Array(length))).toThrow(refusal);
    expect(() => safetyNumber(aid, new Uint8Array(length))).toThrow(refusal);
    expect(() => safetyNumber(new Uint8Array(length), aid)).toThrow(refusal);
  });
});
