/**
 * What docs/clustering.md says of sizes: its table is the one that `--measure` prints, and its
 * arithmetic is right.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { MEASUREMENTS } from '../src/measure/measure.js';

const guide = readFileSync(new URL('../../../docs/clustering.md', import.meta.url), 'utf8');
const [, sizing = ''] = guide.split('## Sizing, by measurement\n');

/** `a × b / c = d`, calculated from left to right, sums last. */
function valueOf(expression: string): number {
  const sum = expression.replaceAll(',', '').split('+');
  return sum.reduce((total, product) => {
    const [first = '', ...rest] = product.trim().split(/ (?=[×/])/);
    const value = rest.reduce((so, step) => {
      const number = Number(step.slice(2));
      return step.startsWith('×') ? so * number : so / number;
    }, Number(first));
    return total + value;
  }, 0);
}

describe('docs/clustering.md', () => {
  test('has a figure for each measurement, and no other', () => {
    const [table = ''] = /^\| What[^\n]+\| Measured[\s\S]*?\n\n/m.exec(sizing) ?? [];
    const rows = table.trim().split('\n').slice(2);
    const names = rows.map((row) => row.split('|')[1]?.trim());
    expect(names).toEqual(MEASUREMENTS.map(({ what }) => what));
    expect(rows.every((row) => /\d/.test(row.split('|')[2] ?? ''))).toBe(true);
  });

  const equations = [...sizing.matchAll(/`([\d,. ×/+]+) = ([\d,.]+)`/g)];

  test('shows its arithmetic', () => {
    expect(equations.length).toBeGreaterThan(10);
    expect(valueOf('1,000 × 3 / 2 + 5')).toBe(1_505);
  });

  test.each(equations.map(([, left = '', right = '']) => [left, right]))(
    '%s is %s',
    (left, right) => {
      const result = Number(right.replaceAll(',', ''));
      expect(Math.abs(valueOf(left) / result - 1)).toBeLessThan(0.01);
    },
  );
});
