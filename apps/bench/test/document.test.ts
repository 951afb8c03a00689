/**
 * `docs/performance.md`, its notes and its charts are what the recorded results make of them: no
 * figure in them was typed.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { describe, expect, test } from '@jest/globals';

import { CATALOGUE } from '../src/catalogue.js';
import { chartOf } from '../src/document/charts.js';
import { documentFiles, filled } from '../src/document/document.js';
import { OURS } from '../src/harness/bench.js';
import { ROOT } from '../src/harness/machine.js';
import type { Results } from '../src/harness/results.js';

const files = documentFiles();
const names = [...files.keys()];

test.each(names.map((path) => [basename(path), path]))(
  '%s is what the results give (pnpm bench --document)',
  (_, path) => {
    expect(existsSync(path) ? readFileSync(path, 'utf8') : 'missing').toBe(files.get(path));
  },
);

test('no other chart lies beside them', () => {
  const folder = join(ROOT, 'docs', 'performance');
  const charts = names.filter((path) => dirname(path) === folder).map((path) => basename(path));
  expect(readdirSync(folder).toSorted()).toEqual([...charts, 'results.json'].toSorted());
});

function blocksIn(...path: string[]): (string | undefined)[] {
  const text = readFileSync(join(ROOT, 'docs', ...path), 'utf8');
  return [...text.matchAll(/^<!-- bench: (\S+) -->$/gm)].map(([, name]) => name);
}

test('the notes have a block for every bench', () => {
  const names = ['machine', 'summary', ...CATALOGUE.map(({ name }) => name)];
  expect(blocksIn('performance', 'notes.md')).toEqual(names);
});

test('the page for users opens with the machine and what a user gets, all of it measured', () => {
  expect(blocksIn('performance.md')).toEqual(['machine', 'user']);
  const page = files.get(join(ROOT, 'docs', 'performance.md')) ?? '';
  expect(page).toMatch(/^\| From `send\(\)` to the handler.* \| [\d.]+ ms \|$/m);
  expect(page).not.toContain('not measured');
});

describe('filled', () => {
  const measures = [{ name: 'time', unit: 'ms', better: 'lower' as const }];
  const point = (id: string, value: number) => {
    return { id, label: id, version: '1', samples: { time: [value] } };
  };
  const about = { takenAt: '2026-01-02T03:04', revision: 'abc', load: 0.5, quick: false };
  const bench = (axis: string | undefined) => ({
    name: 'x',
    title: 'X <&',
    ...about,
    cases: [
      {
        id: 'one',
        title: 'One',
        ...(axis === undefined ? {} : { axis }),
        measures,
        targets: [{ measure: 'time', against: axis === undefined ? '10' : null, atMost: 0.5 }],
        contenders: [point(axis === undefined ? OURS : '1', 4), point('10', 40), point('100', 400)],
      },
    ],
  });
  const results = (axis?: string): Results => ({
    machine: { cpu: 'c', cores: 2, memoryGiB: 1, system: 's', node: '24', disk: 'ext4' },
    benches: [bench(axis)],
  });

  test('a block gets median, ratio, target and date, and filling it again changes nothing', () => {
    const text = 'a\n<!-- bench: x -->\nold\n<!-- /bench -->\nb\n';
    const once = filled(text, results());
    expect(once).toContain('| time | 10 1 | 40 ms | 40 – 40 | **0.1** (0.1 – 0.1) | ≤ 0.5 × ✓ |');
    expect(once).toContain('Measured 2026-01-02 at abc, load before 0.5.');
    expect(once).not.toContain('old');
    expect(filled(once, results())).toBe(once);
  });

  test('a curve gets its growth law', () => {
    const text = '<!-- bench: x -->\n<!-- /bench -->';
    expect(filled(text, results('peers'))).toContain('Growth with peers: time: linear');
  });

  test('a chart has a mark for each contender and no raw character of its labels', () => {
    const bars = chartOf(bench(undefined)) ?? '';
    expect(bars.match(/<rect x=/g)).toHaveLength(3);
    expect(bars).toContain('aria-label="X &lt;&amp;"');
    expect((chartOf(bench('peers')) ?? '').match(/<circle/g)).toHaveLength(3);
  });
});
