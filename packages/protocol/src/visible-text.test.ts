import { describe, expect, test } from '@jest/globals';
import { visible } from './visible-text.js';

describe('visible', () => {
  test.each([
    ['ANSI', '\u001b[31mred\u009b0m', '\\u001b[31mred\\u009b0m'],
    ['line ends', 'a\r\nb\u2028c\u0085d', 'a\\u000d\\u000ab\\u2028c\\u0085d'],
    ['direction', 'a\u202egpj.exe\u2066', 'a\\u202egpj.exe\\u2066'],
    ['zero width', 'a\u200bb\ufeffc\u2060d\u00ad', 'a\\u200bb\\ufeffc\\u2060d\\u00ad'],
    ['tags', 'hi\u{e0041}\u{e007f}', 'hi\\u{e0041}\\u{e007f}'],
    ['variation selectors', 'a\ufe0fb\u{e0100}', 'a\\ufe0fb\\u{e0100}'],
    ['half a pair', 'a\ud800b\udc00', 'a\\ud800b\\udc00'],
    ['fillers', '\u3164\u115f\u1160\uffa0', '\\u3164\\u115f\\u1160\\uffa0'],
  ])('writes %s as escapes', (_kind, text, shown) => {
    expect(visible(text)).toBe(shown);
  });

  test('leaves letters of any language, marks above them and symbols', () => {
    const text = 'naïve – 漢字 עברית हिन्दी 👋🏽 ⟦x⟧ ~';
    expect(visible(text)).toBe(text);
  });

  test('keeps what the caller names', () => {
    expect(visible('a\n\tb\r', '\n\t')).toBe('a\n\tb\\u000d');
  });

  test('what it gives has nothing left to escape', () => {
    const left = Array.from({ length: 0x110000 }, (_, code) =>
      visible(String.fromCodePoint(code)),
    ).filter((shown) => visible(shown) !== shown);
    expect(left).toEqual([]);
  });
});
