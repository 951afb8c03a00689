import { runInNewContext } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import { ProtocolError } from './errors.js';
import { decodePayload, encodePayload } from './payload.js';

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const refusalOf = (value: unknown): unknown => {
  try {
    return textOf(encodePayload(value));
  } catch (error) {
    return error;
  }
};

function cycle(): object {
  const a: Record<string, unknown> = { list: [] };
  (a['list'] as unknown[]).push({ a });
  return { deep: a };
}

function nested(levels: number): object {
  let value: object = {};
  for (let level = 1; level < levels; level++) value = level % 2 ? { a: value } : [value];
  return { a: value };
}

function throwingProxy(): object {
  const get = (): never => {
    throw new TypeError('no');
  };
  return new Proxy({ a: 1 }, { get });
}

class Task {
  name = 'x';
}

describe('encodePayload', () => {
  test('writes plain data as JSON in the order of its keys', () => {
    const payload = { text: 'hi', task_id: 42, data: { list: [1, null, true, 'é😀'] }, '': {} };
    expect(textOf(encodePayload(payload))).toBe(JSON.stringify(payload));
    expect(decodePayload(encodePayload(payload))).toEqual(payload);
  });

  test('takes objects without a prototype and of another realm', () => {
    const bare = Object.assign(Object.create(null) as object, { a: 1 });
    expect(textOf(encodePayload(bare))).toBe('{"a":1}');
    expect(textOf(encodePayload(runInNewContext('({ a: [1, {}] })')))).toBe('{"a":[1,{}]}');
  });

  test('takes one object in two places, and frozen ones', () => {
    const shared = Object.freeze({ a: 1 });
    expect(textOf(encodePayload({ x: shared, y: [shared] }))).toBe('{"x":{"a":1},"y":[{"a":1}]}');
  });

  test('writes -0 as 0', () => {
    expect(textOf(encodePayload({ a: -0 }))).toBe('{"a":0}');
  });

  test.each<[string, unknown, string]>([
    ['an array', [], '$: not an object'],
    ['a text', 'hi', '$: not an object'],
    ['null', null, '$: not an object'],
    ['undefined', undefined, '$: not an object'],
    ['a function', () => 0, '$: not an object'],
    ['undefined in a field', { a: undefined }, '$.a: undefined is not JSON'],
    ['a function in a field', { a: { b: () => 0 } }, '$.a.b: function is not JSON'],
    ['a symbol', { a: [Symbol('s')] }, '$.a[0]: symbol is not JSON'],
    ['a symbol as key', { a: { [Symbol('s')]: 1 } }, '$.a: symbol as key'],
    ['a bigint', { a: 1n }, '$.a: bigint is not JSON'],
    ['NaN', { a: [1, Number.NaN] }, '$.a[1]: not a finite number'],
    ['Infinity', { a: -Infinity }, '$.a: not a finite number'],
    ['a Date', { a: new Date(0) }, '$.a: not plain data'],
    ['a Map', { a: new Map() }, '$.a: not plain data'],
    ['a Set', { a: [new Set()] }, '$.a[0]: not plain data'],
    ['a RegExp', { a: /x/ }, '$.a: not plain data'],
    ['an Error', { a: new Error('x') }, '$.a: not plain data'],
    ['a promise', { a: Promise.resolve() }, '$.a: not plain data'],
    ['bytes', { a: new Uint8Array(2) }, '$.a: not plain data'],
    ['a boxed text', { a: Object('x') }, '$.a: not plain data'],
    ['a boxed number', { a: Object(1) }, '$.a: not plain data'],
    ['an instance of a class', { a: new Task() }, '$.a: not plain data'],
    ['an instance of a class as root', new Task(), '$: not plain data'],
    ['an array of a subclass', { a: new (class extends Array {})() }, '$.a: not plain data'],
    ['toJSON', { a: { toJSON: () => 1 } }, '$.a.toJSON: function is not JSON'],
    ['a hole in an array', { a: Object.assign([1], { 2: 3 }) }, '$.a[1]: undefined is not JSON'],
    ['a match of a RegExp', { a: /x/.exec('x') }, '$.a: array with named properties'],
    ['Math', { a: Math }, '$.a: symbol as key'],
    ['the key __proto__', JSON.parse('{"a":{"__proto__":1}}'), '$.a.__proto__: forbidden key'],
    ['the key constructor', { a: [{ constructor: 1 }] }, '$.a[0].constructor: forbidden key'],
    ['the key prototype', { prototype: 1 }, '$.prototype: forbidden key'],
    ['a lone surrogate', { a: ['\ud800'] }, '$.a[0]: lone surrogate'],
    ['a lone surrogate in a key', { 'x\udc00': 1 }, '$["x\\udc00"]: lone surrogate'],
    ['a cycle', cycle(), '$.deep.list[0].a: contains itself'],
    ['a proxy that throws', throwingProxy(), '$: cannot be read'],
  ])('refuses %s', (_, value, detail) => {
    const refusal = refusalOf(value);
    expect(refusal).toBeInstanceOf(ProtocolError);
    expect(refusal).toMatchObject({ code: 'BAD_PAYLOAD', retryable: false });
    expect(String(refusal)).toContain(`(${detail})`);
  });

  test('names the path and never the value', () => {
    expect(String(refusalOf({ secret: { key: new Date('2001-02-03') } }))).not.toContain('2001');
    expect(String(refusalOf({ secret: 'hunter2\ud800' }))).not.toContain('hunter2');
  });

  test('reads every property once, so that what is checked is what is sent', () => {
    let reads = 0;
    const shifty = {
      get a() {
        reads += 1;
        return reads === 1 ? 'first' : new Date();
      },
    };
    expect(textOf(encodePayload(shifty))).toBe('{"a":"first"}');
    expect(reads).toBe(1);
  });

  test('takes 64 levels and refuses 65', () => {
    expect(decodePayload(encodePayload(nested(63)))).toEqual(nested(63));
    expect(refusalOf(nested(64))).toMatchObject({ code: 'BAD_PAYLOAD' });
    expect(String(refusalOf(nested(64)))).toContain('nested too deep');
  });

  test('takes 1,000,000 bytes and refuses one more', () => {
    const of = (length: number): object => ({ a: 'x'.repeat(length - '{"a":""}'.length) });
    expect(encodePayload(of(1_000_000))).toHaveLength(1_000_000);
    expect(refusalOf(of(1_000_001))).toMatchObject({
      code: 'TOO_LARGE',
      message:
        'Payload with 1,000,001 bytes is larger than the limit of 1,000,000 bytes: ' +
        'send less or split it',
    });
    expect(refusalOf({ a: '\0'.repeat(200_000) })).toMatchObject({ code: 'TOO_LARGE' });
    expect(refusalOf({ a: 'é'.repeat(500_000) })).toMatchObject({ code: 'TOO_LARGE' });
  });

  test('stops early at data that unfolds to more than the limit', () => {
    let bomb: unknown = 'x';
    for (let level = 0; level < 60; level++) bomb = [bomb, bomb];
    expect(refusalOf({ bomb })).toMatchObject({ code: 'TOO_LARGE' });
    expect(refusalOf({ a: Object.assign([], { length: 1_000_000_000 }) })).toMatchObject({
      code: 'TOO_LARGE',
    });
  });
});

describe('decodePayload', () => {
  const decode = (text: string): unknown => decodePayload(new TextEncoder().encode(text));

  test('takes white space inside, escapes and a pair of surrogates', () => {
    expect(decode('{ "a" :\t"\\ud83d\\ude00\\n" }')).toEqual({ a: '😀\n' });
  });

  test('takes the forbidden words as values', () => {
    expect(decode('{"a":"__proto__","b":["constructor"]}')).toEqual({
      a: '__proto__',
      b: ['constructor'],
    });
  });

  test('takes 64 levels and refuses 65', () => {
    const of = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
    expect(decode(of(64))).toHaveProperty('a');
    expect(() => decode(of(65))).toThrow(/nested too deep/);
  });

  test('takes 1,000,000 bytes and refuses one more', () => {
    const of = (length: number): string => `{"a":"${'x'.repeat(length - 8)}"}`;
    expect(decode(of(1_000_000))).toHaveProperty('a');
    expect(() => decode(of(1_000_001))).toThrow(expect.objectContaining({ code: 'TOO_LARGE' }));
  });

  test('keeps the place of a fault and drops its value', () => {
    expect(() => decode('{"a":[{"pin":1,"pin":98765}]}')).toThrow(/\(\$\.a\[0\]\.pin: key twice\)/);
    expect(() => decode('{"a": hunter2}')).toThrow(/\(\$: not valid JSON\)$/);
  });
});
