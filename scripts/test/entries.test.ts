/**
 * What importing an entry costs and loads. Each entry is a bundle, so that nobody meets the classes
 * of one module twice; heavy libraries are loaded where they are used, not where they are imported.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from '@jest/globals';
import ts from 'typescript';

import { importCost } from '../import-cost.mjs';
import type { Conditions, Package } from './workspace.js';
import { parse, workspacePackages } from './workspace.js';

const packages = workspacePackages().filter(({ manifest }) => manifest.private !== true);
const doors = packages.flatMap((pkg) =>
  Object.entries(pkg.manifest.exports ?? {})
    .filter(([door]) => door !== './package.json')
    .map(([door, tree]) => [pkg.name + door.slice(1), pkg, tree] as const),
);

/** Files of the conditions, types left out. */
function filesOf(tree: Conditions): string[] {
  if (typeof tree === 'string') return [tree];
  return Object.entries(tree).flatMap(([name, branch]) =>
    name === 'types' ? [] : filesOf(branch),
  );
}

/** The modules that a bundle and its chunks import before anything is called. */
function importedAtOnce(pkg: Package, file: string): string[] {
  const path = join(pkg.folder, file);
  const statements = parse(path, readFileSync(path, 'utf8')).statements;
  const names = statements.flatMap((node) => {
    const isImport = ts.isImportDeclaration(node) || ts.isExportDeclaration(node);
    const from = isImport ? node.moduleSpecifier : undefined;
    return from !== undefined && ts.isStringLiteral(from) ? [from.text] : [];
  });
  return names.flatMap((name) =>
    name.startsWith('.') ? importedAtOnce(pkg, join('dist', name)) : [name],
  );
}

describe('an entry', () => {
  test.each(doors)('%s is a bundle', (_name, _pkg, tree) => {
    const wrong = filesOf(tree).filter((file) => !/\.(?:bundle|browser)\.js$/.test(file));
    expect(
      wrong.map((file) => `${file}: let it end with .bundle.js, which the build makes`),
    ).toEqual([]);
  });

  const heavy = /^(?:zod|pino|prom-client|selfsigned|libsodium|@nats-io|ws$|node:tls|node:sqlite)/;
  const light = doors.filter(([name]) => !name.startsWith('@agentmesh/hub-server'));
  test.each(light)('%s loads no heavy library when it is imported', (_name, pkg, tree) => {
    const loaded = filesOf(tree).flatMap((file) => importedAtOnce(pkg, file));
    expect(loaded.filter((name) => heavy.test(name))).toEqual([]);
  });

  // Twice what an idle machine of this project measures is 80: busy machines have room.
  test('of agentmesh costs at most 150 ms of processor time (pnpm import-cost)', () => {
    expect(importCost('agentmesh')).toBeLessThanOrEqual(150);
  }, 60_000);

  test.each(doors)('%s exports its error classes under their own names', async (name) => {
    const door = (await import(name)) as Readonly<Record<string, unknown>>;
    const wrong = Object.entries(door).filter(
      ([key, value]) =>
        typeof value === 'function' && value.prototype instanceof Error && value.name !== key,
    );
    expect(wrong.map(([key]) => key)).toEqual([]);
  });
});
