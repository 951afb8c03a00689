/**
 * The map of the code is whole: `docs/architecture.md` has every package and every folder of the
 * agent. That each path on it exists is checked with all documents (`links.test.ts`).
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from '@jest/globals';

import { floorPlans } from './floors.js';
import { root } from './workspace.js';

const map = readFileSync(join(root, 'docs', 'architecture.md'), 'utf8');

function foldersIn(...path: string[]): string[] {
  const entries = readdirSync(join(root, ...path), { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

/** Paths that a map lacks. */
function missingIn(text: string, paths: readonly string[]): string[] {
  return paths.filter((path) => !text.includes(`\`${path}\``));
}

describe('docs/architecture.md', () => {
  test('has every package', () => {
    const paths = foldersIn('packages').map((name) => `packages/${name}`);
    expect(missingIn(map, paths)).toEqual([]);
    expect(paths.length).toBeGreaterThan(6);
  });

  test('has every folder of the agent', () => {
    const paths = foldersIn('packages', 'agent', 'src').map((name) => `packages/agent/src/${name}`);
    expect(missingIn(map, paths)).toEqual([]);
    expect(paths.length).toBeGreaterThan(10);
  });

  test('shows the floors of the agent in the order that scripts/test/floors.ts pins', () => {
    const table = map.slice(map.indexOf('| Floor'), map.indexOf('## The path of a message'));
    const shown = [...table.matchAll(/^\| `packages\/agent\/src\/([\w-]+)/gm)].map(
      ([, name]) => name,
    );
    const pinned = (floorPlans['@agentmesh/agent'] ?? []).flatMap(({ holds }) => holds);
    const inner = pinned.filter((name) => !['index', 'node', 'stopped-agent'].includes(name));
    expect(shown).toEqual(inner);
  });

  test('this check can fail: a folder that the map lacks is seen', () => {
    expect(missingIn('`packages/a` packages/b', ['packages/a', 'packages/b'])).toEqual([
      'packages/b',
    ]);
  });
});
