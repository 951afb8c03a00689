/**
 * Decisions have one format, and their index lists each of them by its own title.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from '@jest/globals';

import { root } from './workspace.js';

const folder = join(root, 'docs', 'decisions');
const names = readdirSync(folder).filter((name) => name !== 'README.md');
const index = readFileSync(join(folder, 'README.md'), 'utf8');

/** What a decision's text lacks; each complaint says what to write. */
function faultsOf(name: string, text: string): string[] {
  const [heading = ''] = text.split('\n');
  const number = Number(name.slice(0, 4));
  const rules: [boolean, string][] = [
    [/^\d{4}-[a-z0-9-]+\.md$/.test(name), 'name the file 0042-a-plain-title.md'],
    [heading.startsWith(`# ${number}. `), `begin with "# ${number}. " and a plain title`],
    [/^Status: \S/m.test(text), 'add a line "Status: accepted"'],
    [
      /^## Context$[\s\S]*^## Decision$[\s\S]*^## Consequences$/m.test(text),
      'use the headings Context, Decision, Consequences, in this order',
    ],
    [!heading.endsWith('?') && !heading.endsWith('.'), 'let the title say what was decided'],
  ];
  return rules.flatMap(([isGood, complaint]) => (isGood ? [] : [`${name}: ${complaint}`]));
}

describe('decisions', () => {
  test('each has the format that docs/decisions/README.md shows', () => {
    const faults = names.flatMap((name) =>
      faultsOf(name, readFileSync(join(folder, name), 'utf8')),
    );
    expect(faults).toEqual([]);
  });

  test('no number is used twice', () => {
    const numbers = names.map((name) => name.slice(0, 4));
    expect(numbers.filter((number, at) => numbers.indexOf(number) !== at)).toEqual([]);
  });

  test('the index lists each by its title, in order, and nothing else', () => {
    const lines = names.toSorted().map((name) => {
      const [heading = ''] = readFileSync(join(folder, name), 'utf8').split('\n');
      return `- [${heading.slice(2)}](${name})`;
    });
    const listed = [...index.matchAll(/^- \[.*?\]\(\d{4}[^)]*\)/gm)].map(([line]) => line);
    expect(listed).toEqual(lines);
  });

  test('this check can fail: a riddle without parts is refused', () => {
    expect(faultsOf('0042-x.md', '# 42 Who asks?\n\n**Decision.** Nobody.\n')).toHaveLength(4);
    const good = '# 42. X\n\nStatus: accepted\n\n## Context\n\n## Decision\n\n## Consequences\n';
    expect(faultsOf('0042-x.md', good)).toEqual([]);
  });
});
