import { describe, expect, test } from '@jest/globals';
import { pathOf } from './json-path.js';

describe('pathOf', () => {
  test('joins keys with dots and puts indices in brackets', () => {
    expect(pathOf([])).toBe('$');
    expect(pathOf(['tasks', 3, 'name'])).toBe('$.tasks[3].name');
    expect(pathOf(['a', null])).toBe('$.a');
  });

  test('quotes odd keys and leaves nothing that could upset a log', () => {
    expect(pathOf(['a b'])).toBe('$["a b"]');
    expect(pathOf(['', 'x"y\n'])).toBe('$[""]["x\\"y\\n"]');
    expect(pathOf(['\u001b[31mé😀'])).toMatch(/^\$\["\\u001b\[31m\?\?\?"\]$/);
  });

  test('cuts long keys and long paths', () => {
    expect(pathOf(['k'.repeat(41)])).toBe(`$["${'k'.repeat(40)}..."]`);
    const long = pathOf(Array.from({ length: 100 }, () => 'key'));
    expect(long).toHaveLength(200);
    expect(long.endsWith('...')).toBe(true);
  });
});
