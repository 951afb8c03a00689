import { describe, expect, test } from '@jest/globals';
import { isWellFormed, readJsonObject } from './json-text.js';
import type { JsonReading } from './json-text.js';

const read = (text: string, maxDepth = 4): JsonReading =>
  readJsonObject(text, { maxDepth, forbiddenKeys: new Set(['bad']) });

describe('readJsonObject', () => {
  test.each([
    '{}',
    '{"a":1,"b":[1,-2.5e3,true,false,null],"c":{"a":"x"}}',
    '{ "a" : [ 1 , { } ] ,\n\t"b" : "" }',
    String.raw`{"a":"quote \" slash \\ \u00e9 \ud83d\ude00"}`,
    String.raw`{"a\"b":1,"a\\":2,"\\\"":3}`,
    '{"a":{"x":1},"b":{"x":1}}',
    '{"a":["bad"],"b":"bad"}',
    '{"a":"1e999","b":"}{][,:"}',
    '{"a":1.7976931348623157e308,"b":1e-999,"c":12345678901234567890}',
    '{"é":"😀"}',
  ])('reads what JSON.parse reads: %s', (text) => {
    expect(read(text)).toEqual({ ok: true, value: JSON.parse(text) });
  });

  test.each([
    ['{"a":{"b":[[]]}}', '$.a.b[0]', 'nested too deep'],
    ['{"a":[{"b":1},{"b":1,"b":2}]}', '$.a[1].b', 'key twice'],
    ['{"a":1,"x":{"bad":1}}', '$.x.bad', 'forbidden key'],
    [String.raw`{"\u0062ad":1}`, '$.bad', 'forbidden key'],
    ['{"a":[0,-1e400]}', '$.a[1]', 'number out of range'],
    [String.raw`{"a":["","\udfff"]}`, '$.a[1]', 'lone surrogate'],
    ['{"a":"\ud800"}', '$', 'lone surrogate'],
    ['{"a" "b"}', '$', 'not valid JSON'],
    ['[]', '$', 'not one JSON object'],
    ['{} ', '$', 'not one JSON object'],
  ])('refuses %s at %s: %s', (text, path, what) => {
    expect(read(text, 3)).toEqual({ ok: false, fault: { path, what } });
  });

  test('tells nothing of the text when the grammar is wrong', () => {
    expect(JSON.stringify(read('{"password": hunter2}'))).not.toContain('hunter2');
  });

  test.each([
    ['quotes', '{"a":' + '"'.repeat(1_000_000) + '}', false],
    ['backslashes', '{"a":"' + '\\'.repeat(1_000_000) + '}', false],
    ['escaped quotes', '{"a":"' + '\\"'.repeat(500_000) + '"}', true],
    ['open brackets', '{"a":' + '['.repeat(1_000_000) + '}', false],
    ['spaces after a text', '{"a":"b"' + ' '.repeat(1_000_000) + '}', true],
    ['keys', `{${Array.from({ length: 60_000 }, (_, i) => `"k${i}":0`).join(',')}}`, true],
    ['digits', `{"a":${'9'.repeat(1_000_000)}}`, false],
    ['signs', `{"a":${'-'.repeat(1_000_000)}}`, false],
  ])('comes to an end with a megabyte of %s, and judges it', (_, text, isObject) => {
    expect(readJsonObject(text, { maxDepth: 4 }).ok).toBe(isObject);
  });
});

describe('isWellFormed', () => {
  test('wants both halves of every pair, in order', () => {
    expect(['', 'a', '😀', 'a😀b'].every(isWellFormed)).toBe(true);
    expect(['\ud83d', '\ude00', '\ude00\ud83d', 'a\ud83d\ud83d\ude00'].some(isWellFormed)).toBe(
      false,
    );
  });
});
