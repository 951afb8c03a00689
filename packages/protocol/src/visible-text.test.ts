import { describe, expect, test } from '@jest/globals';
import { visible } from './visible-text.js';

describe('visible', () => {
  test.each([
    ['ANSI', '\u001b[31mred\u009b0m', '\\u{1b}[31mred\\u{9b}0m'],
    ['line ends', 'a\r\nb\u2028c\u0085d', 'a\\u{d}\\u{a}b\\u{2028}c\\u{85}d'],
    ['direction', 'a\u202egpj.exe\u2066', 'a\\u{202e}gpj.exe\\u{2066}'],
    ['zero width', 'a\u200bb\ufeffc\u2060d\u00ad', 'a\\u{200b}b\\u{feff}c\\u{2060}d\\u{ad}'],
    ['tags', 'hi\u{e0041}\u{e007f}', 'hi\\u{e0041}\\u{e007f}'],
    ['variation selectors', 'a\ufe0fb\u{e0100}', 'a\\u{fe0f}b\\u{e0100}'],
    ['half a pair', 'a\ud800b\udc00', 'a\\u{d800}b\\u{dc00}'],
    ['fillers', '\u3164\u115f\u1160\uffa0', '\\u{3164}\\u{115f}\\u{1160}\\u{ffa0}'],
  ])('writes %s as escapes', (_kind, text, shown) => {
    expect(visible(text)).toBe(shown);
  });

  test('leaves letters of any language, marks above them and symbols', () => {
    const text = 'naïve – 漢字 עברית हिन्दी 👋🏽 ⟦x⟧ ~';
    expect(visible(text)).toBe(text);
  });

  test('keeps what the caller names', () => {
    expect(visible('a\n\tb\r', '\n\t')).toBe('a\n\tb\\u{d}');
  });

  test('what it gives has nothing left to escape', () => {
    for (let code = 0; code < 0x110000; code += 1) {
      const shown = visible(String.fromCodePoint(code));
      if (visible(shown) !== shown) throw new TypeError(code.toString(16));
    }
  });
});
