/**
 * What the repository tests read: the packages of the workspace, their sources, and every text
 * file that a commit would hold. It judges nothing.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';

/** The root folder of the repository. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** A tree of conditions in `exports` or `imports`, ending in paths. */
export type Conditions = string | { readonly [condition: string]: Conditions };

interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly exports?: Readonly<Record<string, Conditions>>;
  readonly imports?: Readonly<Record<string, Conditions>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

/** One package of the workspace; `folder` is absolute, `path` relative to the root. */
export interface Package {
  readonly name: string;
  readonly folder: string;
  readonly path: string;
  readonly manifest: Manifest;
}

const ignored = new Set(['node_modules', 'dist', 'test-results', 'coverage', '.git', '.turbo']);
ignored.add('.cache');

/** Every file under `folder` that is not generated, as absolute paths; none if it is absent. */
export function filesUnder(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (ignored.has(entry.name)) return [];
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesUnder(path) : [path];
  });
}

/** `packages/*` and `apps/*`, in alphabetical order. */
export function workspacePackages(): Package[] {
  return ['packages', 'apps'].flatMap((parent) =>
    (existsSync(join(root, parent)) ? readdirSync(join(root, parent)) : [])
      .map((name) => join(root, parent, name))
      .filter((folder) => existsSync(join(folder, 'package.json')))
      .map((folder) => {
        const text = readFileSync(join(folder, 'package.json'), 'utf8');
        const manifest = JSON.parse(text) as Manifest;
        return { name: manifest.name, folder, path: relativePath(folder), manifest };
      }),
  );
}

/** The path from the root, with forward slashes on every system. */
export function relativePath(path: string): string {
  return relative(root, path).split(sep).join('/');
}

/** The TypeScript files of a package that are published: `src` without its tests. */
export function publishedSources(pkg: Package): string[] {
  const files = filesUnder(join(pkg.folder, 'src')).filter((file) => file.endsWith('.ts'));
  return files.filter((file) => !file.endsWith('.test.ts'));
}

/** All TypeScript of a package: sources, tests and what the tests use. */
export function allSources(pkg: Package): string[] {
  const folders = ['src', 'test'].map((name) => join(pkg.folder, name));
  return folders.flatMap(filesUnder).filter((file) => file.endsWith('.ts'));
}

/** The syntax tree of a TypeScript or JavaScript text, with parent links. */
export function parse(path: string, text: string): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
}

/** Every node of a tree, parents before children. */
export function* nodesOf(node: ts.Node): Generator<ts.Node> {
  yield node;
  const children: ts.Node[] = [];
  ts.forEachChild(node, (child) => void children.push(child));
  for (const child of children) yield* nodesOf(child);
}

/** The module names that a file imports in any way, type imports and `import()` included. */
export function importsOf(text: string): string[] {
  return ts.preProcessFile(text, true, true).importedFiles.map((file) => file.fileName);
}
