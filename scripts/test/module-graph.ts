/**
 * Walks the built modules that one door of a package can reach, across packages of the workspace.
 * What is outside the workspace is listed, not entered.
 */
import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, resolve, sep } from 'node:path';

import type { Conditions, Package } from './workspace.js';
import { importsOf } from './workspace.js';

/** What a walk reached; `outside` maps names of modules to one file that imports them. */
export interface Reached {
  readonly files: ReadonlySet<string>;
  readonly builtins: ReadonlyMap<string, string>;
  readonly outside: ReadonlyMap<string, string>;
}

/** Walks from `door` (`.` or `./name`) of `pkg`, as a program with these conditions would. */
export function reach(
  packages: readonly Package[],
  pkg: Package,
  door: string,
  conditions: readonly string[],
): Reached {
  const files = new Set<string>();
  const builtins = new Map<string, string>();
  const outside = new Map<string, string>();
  const pending = [doorFile(pkg, door, conditions)];
  for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
    if (files.has(file)) continue;
    files.add(file);
    for (const specifier of importsOf(readFileSync(file, 'utf8'))) {
      const target = resolveModule({ packages, file, specifier, conditions });
      if (target !== undefined) pending.push(target);
      else if (isBuiltin(specifier)) builtins.set(specifier, file);
      else outside.set(specifier, file);
    }
  }
  return { files, builtins, outside };
}

interface Import {
  readonly packages: readonly Package[];
  readonly file: string;
  readonly specifier: string;
  readonly conditions: readonly string[];
}

/** The file of the workspace that an import means, or undefined for anything else. */
function resolveModule({ packages, file, specifier, conditions }: Import): string | undefined {
  if (specifier.startsWith('.')) return resolve(dirname(file), specifier);
  if (specifier.startsWith('#')) {
    const owner = packages.find((pkg) => file.startsWith(pkg.folder + sep));
    const target = choose(owner?.manifest.imports?.[specifier], conditions);
    if (owner === undefined || target === undefined) throw unresolved(specifier, file);
    return target.startsWith('.') ? join(owner.folder, target) : undefined;
  }
  const pkg = packages.find(({ name }) => specifier === name || specifier.startsWith(`${name}/`));
  return pkg && doorFile(pkg, `.${specifier.slice(pkg.name.length)}`, conditions);
}

function doorFile(pkg: Package, door: string, conditions: readonly string[]): string {
  const target = choose(pkg.manifest.exports?.[door], conditions);
  if (target === undefined) throw unresolved(door, pkg.name);
  // A bundle is made of the modules that its entry reaches (scripts/bundle.mjs).
  return join(pkg.folder, target.replace(/\.(?:bundle|browser)\.js$/, '.js'));
}

/** The first branch that applies, in the order of the file, as Node does it. */
function choose(tree: Conditions | undefined, conditions: readonly string[]): string | undefined {
  if (tree === undefined || typeof tree === 'string') return tree;
  for (const [condition, branch] of Object.entries(tree)) {
    if (condition !== 'default' && !conditions.includes(condition)) continue;
    const target = choose(branch, conditions);
    if (target !== undefined) return target;
  }
  return undefined;
}

function unresolved(specifier: string, from: string): TypeError {
  return new TypeError(`${specifier}, imported by ${from}, leads nowhere`);
}
