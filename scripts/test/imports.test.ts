/**
 * The layers, checked: who may depend on whom, that a hub cannot reach anything that decrypts, and
 * that browser-capable packages stay free of Node.
 */
import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join, relative, resolve, sep } from 'node:path';

import { describe, expect, test } from '@jest/globals';
import ts from 'typescript';

import { floorFaults, floorPlans, importedFile } from './floors.js';
import type { Imports } from './floors.js';
import { reach } from './module-graph.js';
import type { Conditions, Package } from './workspace.js';
import {
  importsOf,
  nodesOf,
  parse,
  publishedSources,
  relativePath,
  root,
  workspacePackages,
} from './workspace.js';

const packages = workspacePackages();
const names = new Set(packages.map((pkg) => pkg.name));
const publicNames = packages.filter((pkg) => pkg.manifest.private !== true).map((pkg) => pkg.name);

/** The table of the architecture: the only run-time dependencies inside the workspace. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  '@agentmesh/crypto': [],
  '@agentmesh/contract': [],
  '@agentmesh/protocol': ['@agentmesh/crypto'],
  '@agentmesh/hub-local': ['@agentmesh/protocol'],
  '@agentmesh/hub-client': ['@agentmesh/protocol'],
  '@agentmesh/agent': ['@agentmesh/protocol', '@agentmesh/crypto', '@agentmesh/contract'],
  '@agentmesh/hub-server': ['@agentmesh/hub-local', '@agentmesh/protocol'],
  '@agentmesh/hub-compliance': ['@agentmesh/protocol', '@agentmesh/crypto', '@agentmesh/hub-local'],
  '@agentmesh/cli': [
    '@agentmesh/agent',
    '@agentmesh/crypto',
    '@agentmesh/hub-client',
    '@agentmesh/hub-server',
    '@agentmesh/protocol',
  ],
  '@agentmesh/mcp': ['@agentmesh/cli'],
  agentmesh: publicNames.filter((name) => name !== 'agentmesh'),
  '@agentmesh/demo': publicNames,
  '@agentmesh/attack': publicNames,
  '@agentmesh/chaos': publicNames,
  '@agentmesh/dev-cluster': publicNames,
  '@agentmesh/bench': publicNames,
};

/** All that a hub may reach of `crypto`: checking signatures and records with public keys. */
const verifyOnly = [
  'accelerator/known-answers',
  'accelerator/node',
  'accelerator/none',
  'bytes',
  'ed25519/node',
  'ed25519/sodium',
  'errors',
  'fingerprint',
  'hash/noble',
  'hash/node',
  'hub-auth',
  'identity',
  'identity-record',
  'limits',
  'node-key',
  'prekey',
  'public-key',
  'random',
  'revocation',
  'secret',
  'signature',
  'sodium',
  'supported-runtime',
  'verify',
];

const hubs = ['@agentmesh/hub-local', '@agentmesh/hub-client', '@agentmesh/hub-server'];
const inBrowsers = [
  '@agentmesh/contract',
  '@agentmesh/crypto',
  '@agentmesh/protocol',
  '@agentmesh/agent',
  '@agentmesh/hub-client',
];

const isWorkspaceName = (name: string): boolean => names.has(name);
const present = (list: readonly string[]): Package[] =>
  packages.filter((pkg) => list.includes(pkg.name));

/** `@scope/name/door` → `@scope/name`, `name/door` → `name`. */
function packageOf(specifier: string): string {
  const parts = specifier.split('/');
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}

/** What is wrong with one import of one source file; empty if nothing. */
function judgeImport(pkg: Package, file: string, specifier: string): string[] {
  const where = `${relativePath(file)} imports ${specifier}`;
  if (specifier.startsWith('.')) {
    const target = resolve(file, '..', specifier);
    return target.startsWith(join(pkg.folder, 'src') + sep) ? [] : [`${where}: outside its src`];
  }
  if (specifier.startsWith('#')) {
    return pkg.manifest.imports?.[specifier] ? [] : [`${where}: not in its package.json imports`];
  }
  if (isBuiltin(specifier)) return [];
  const name = packageOf(specifier);
  const { dependencies = {}, peerDependencies = {} } = pkg.manifest;
  if (!(name in dependencies) && !(name in peerDependencies)) return [`${where}: not a dependency`];
  if (!isWorkspaceName(name)) return [];
  if (!allowed[pkg.name]?.includes(name)) return [`${where}: not in the table`];
  const door = `.${specifier.slice(name.length)}`;
  const target = packages.find((candidate) => candidate.name === name);
  return target?.manifest.exports?.[door] ? [] : [`${where}: no such door`];
}

describe('import table', () => {
  test('every package has a row', () => {
    expect(packages.map((pkg) => pkg.name).filter((name) => !(name in allowed))).toEqual([]);
  });

  test('these tests wait for the build of every public package', () => {
    const text = readFileSync(join(root, 'scripts', 'package.json'), 'utf8');
    const { devDependencies } = JSON.parse(text) as { devDependencies: Record<string, string> };
    expect(publicNames.filter((name) => !(name in devDependencies))).toEqual([]);
  });

  test('no package.json depends on a package that its row does not name', () => {
    const wrong = packages.flatMap((pkg) =>
      Object.keys(pkg.manifest.dependencies ?? {})
        .filter((name) => isWorkspaceName(name) && !allowed[pkg.name]?.includes(name))
        .map((name) => `${pkg.name} → ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  test('every import in a source file is a declared, allowed, public door', () => {
    const wrong = packages.flatMap((pkg) =>
      publishedSources(pkg).flatMap((file) =>
        importsOf(readFileSync(file, 'utf8')).flatMap((name) => judgeImport(pkg, file, name)),
      ),
    );
    expect(wrong).toEqual([]);
  });

  test('no start loads `fetch` by an import of `node:http`, which reads all that it exports', () => {
    const wrong = packages
      .flatMap((pkg) => (pkg.manifest.private === true ? [] : publishedSources(pkg)))
      .filter((file) => /^import (?!type )[^;]*'node:http'/m.test(readFileSync(file, 'utf8')))
      .map((file) => `${relativePath(file)}: use process.getBuiltinModule('node:http')`);
    expect(wrong).toEqual([]);
  });
});

describe('floors', () => {
  /** The sources that a name of `package.json` imports stands for. */
  function sourcesOf(conditions: Conditions | undefined): string[] {
    if (typeof conditions === 'object') return Object.values(conditions).flatMap(sourcesOf);
    const module = /^\.\/dist\/(.+)\.js$/.exec(conditions ?? '')?.[1];
    return module === undefined ? [] : [`${module}.ts`];
  }

  function importsIn(pkg: Package): Imports {
    const folder = join(pkg.folder, 'src');
    return new Map(
      publishedSources(pkg).map((path) => {
        const file = relative(folder, path).split(sep).join('/');
        const targets = importsOf(readFileSync(path, 'utf8')).flatMap(
          (name) => importedFile(file, name) ?? sourcesOf(pkg.manifest.imports?.[name]),
        );
        return [file, targets];
      }),
    );
  }

  test.each(Object.keys(floorPlans))('%s has no import that goes up, and no circle', (name) => {
    const [pkg] = present([name]);
    expect(floorFaults(importsIn(pkg as Package), floorPlans[name] ?? [])).toEqual([]);
  });

  const plan = [
    { name: 'upstairs', holds: ['rooms'] },
    { name: 'ground', holds: ['base'] },
  ];

  test('an import that goes up is named with its file and the floor above', () => {
    const broken = new Map([
      ['rooms/one.ts', ['base.ts']],
      ['base.ts', ['rooms/one.ts']],
    ]);
    const [up] = floorFaults(broken, plan);
    expect(up).toMatch(/^base\.ts imports rooms\/one\.ts, which goes up .*'upstairs': move/);
  });

  test('files that import each other are named, also on one floor', () => {
    const broken = new Map([
      ['rooms/one.ts', ['rooms/two.ts']],
      ['rooms/two.ts', ['rooms/one.ts']],
      ['base.ts', []],
    ]);
    expect(floorFaults(broken, plan)).toEqual([
      expect.stringMatching(/^rooms\/one\.ts → rooms\/two\.ts → rooms\/one\.ts is a circle: move/),
    ]);
  });

  test('a file without a floor is named, and a floor without files', () => {
    const broken = new Map([['cellar/coal.ts', []]]);
    expect(floorFaults(broken, plan)).toEqual([
      expect.stringContaining("cellar/coal.ts is on no floor: give 'cellar' one in"),
      expect.stringContaining("'rooms' is on a floor but not in src"),
      expect.stringContaining("'base' is on a floor but not in src"),
    ]);
  });
});

describe('a hub cannot read', () => {
  const crypto = packages.find((pkg) => pkg.name === '@agentmesh/crypto');
  const conditionSets = [['node'], ['browser']];

  /** The modules of crypto's build, by name, that a door reaches. */
  function cryptoModules(pkg: Package, door: string, conditions: readonly string[]): string[] {
    const dist = join(crypto?.folder ?? '', 'dist');
    return [...reach(packages, pkg, door, conditions).files]
      .filter((file) => file.startsWith(dist + sep))
      .map((file) => relative(dist, file).replace(/\.js$/, ''));
  }

  test.each(hubs.filter((name) => names.has(name)))(
    'no built module of %s reaches anything of crypto but public-key checks',
    (name) => {
      const wrong = present([name]).flatMap((pkg) =>
        conditionSets.flatMap((conditions) => {
          const reached = cryptoModules(pkg, '.', conditions);
          return reached.filter((module) => !verifyOnly.includes(module));
        }),
      );
      expect(wrong).toEqual([]);
    },
  );

  test('the list of public-key checks is exactly what the verify door reaches', () => {
    const reached = new Set(
      present(['@agentmesh/crypto']).flatMap((pkg) =>
        conditionSets.flatMap((conditions) => cryptoModules(pkg, './verify', conditions)),
      ),
    );
    expect([...reached].toSorted()).toEqual(verifyOnly);
  });

  test.each(hubs.filter((name) => names.has(name)))('%s carries no cipher library', (name) => {
    const outside = present([name]).flatMap((pkg) =>
      conditionSets.flatMap((set) => [...reach(packages, pkg, '.', set).outside.keys()]),
    );
    expect(outside.filter((specifier) => specifier.startsWith('@noble/ciphers'))).toEqual([]);
  });
});

describe('browser-capable packages', () => {
  const nodeGlobals = new Set(['Buffer', 'process', 'global', 'setImmediate', 'require']);
  nodeGlobals.add('__dirname').add('__filename');

  /** The names of Node's globals that a module uses and does not define itself. */
  function nodeGlobalsIn(file: string): string[] {
    const nodes = [...nodesOf(parse(file, readFileSync(file, 'utf8')))].filter(ts.isIdentifier);
    const used = nodes.filter((node) => nodeGlobals.has(node.text) && isFreeName(node));
    return [...new Set(used.map((node) => `${relativePath(file)}: ${node.text}`))];
  }

  function isFreeName(node: ts.Identifier): boolean {
    const { parent } = node;
    if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
    if (ts.isPropertyAssignment(parent)) return parent.initializer === node;
    return !ts.isMethodDeclaration(parent) && !ts.isPropertyDeclaration(parent);
  }

  const doors = present(inBrowsers).flatMap((pkg) =>
    Object.keys(pkg.manifest.exports ?? {})
      .filter((door) => door !== './node' && door !== './package.json')
      .map((door) => [pkg.name + door.slice(1), pkg, door] as const),
  );

  test.each(doors)('%s reaches no module of Node in a browser', (_name, pkg, door) => {
    const { builtins } = reach(packages, pkg, door, ['browser', 'import']);
    const wrong = [...builtins].map(([name, file]) => `${relativePath(file)} imports ${name}`);
    expect(wrong).toEqual([]);
  });

  test.each(doors)('%s uses no global of Node in a browser', (_name, pkg, door) => {
    const { files } = reach(packages, pkg, door, ['browser', 'import']);
    expect([...files].flatMap(nodeGlobalsIn)).toEqual([]);
  });
});
