/**
 * The guide for operators says what the command does: its table of flags is the table of options,
 * and its metrics are those that the hub has.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { HubMetrics } from '../src/index.js';
import { OPTIONS, variableOf } from '../src/cli/option-table.js';
import type { OptionRule } from '../src/cli/option-table.js';

const guide = readFileSync(new URL('../../../docs/self-hosting.md', import.meta.url), 'utf8');

/** Cells of every table row that begins with a code span. */
const rows = guide
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );

test('docs/self-hosting.md lists every flag with its variable, default and meaning', () => {
  const expected = Object.entries<OptionRule>(OPTIONS).map(([name, rule]) => [
    rule.value === null ? `\`--${name}\`` : `\`--${name} ${rule.value}\``,
    `\`${variableOf(name)}\``,
    rule.fallback,
    rule.meaning,
  ]);
  expect(rows.filter(([flag]) => flag?.startsWith('`--'))).toEqual(expected);
});

test('docs/self-hosting.md lists every metric of the hub', async () => {
  const meter = new HubMetrics();
  const counts = { agents: 0, envelopes: 0, bytes: 0, deadLettered: 0 };
  meter.watch({ counts: () => Promise.resolve(counts), connections: () => 0 });
  const { text } = await meter.page();
  const names = [...text.matchAll(/^# TYPE (agentmesh_hub_\w+)/gm)].map(([, name]) => name);
  const listed = rows.flatMap(([name]) =>
    name?.startsWith('`agentmesh') ? [name.slice(1, -1)] : [],
  );
  expect(new Set(listed)).toEqual(new Set(names));
});
