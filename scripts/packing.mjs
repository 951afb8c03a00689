/**
 * Packages as their users get them: which tarballs a package needs, how each is packed, and the
 * folder of a user who installs them. Owns that; what is done with the folder is the caller's.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const packagesFolder = fileURLToPath(new URL('../packages/', import.meta.url));
const windows = process.platform === 'win32';

export const readManifest = (folder) =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

/** Every published package of the workspace: its folder and its manifest. */
export function publishedPackages() {
  return readdirSync(packagesFolder)
    .map((name) => join(packagesFolder, name))
    .filter((path) => existsSync(join(path, 'package.json')))
    .map((path) => ({ folder: path, manifest: readManifest(path) }))
    .filter(({ manifest }) => manifest.private !== true);
}

/** Every workspace package that `name` needs at run time, itself included, with its folder. */
export function closureOf(name, workspace = publishedPackages(), found = new Map()) {
  if (found.has(name)) return found;
  const entry = workspace.find((candidate) => candidate.manifest.name === name);
  found.set(name, entry.folder);
  const needed = Object.entries(entry.manifest.dependencies ?? {});
  for (const [dependency, range] of needed) {
    if (range.startsWith('workspace:')) closureOf(dependency, workspace, found);
  }
  return found;
}

/** Runs pnpm; throws with what it printed when it fails. */
function pnpm(args, cwd) {
  const options = { cwd, encoding: 'utf8', shell: windows };
  const { status, stdout, stderr, error } = spawnSync('pnpm', args, options);
  if (status === 0) return;
  throw new TypeError(`pnpm ${args[0]}: ${error?.message ?? ''}${stdout}${stderr}`);
}

/** Packs the packages of these names into one folder, in one go; the tarballs by name. */
export function packAll(names, target) {
  mkdirSync(target, { recursive: true });
  const filters = names.flatMap((name) => ['--filter', name]);
  pnpm(['--recursive', ...filters, 'pack', '--pack-destination', target], packagesFolder);
  const versions = new Map(
    publishedPackages().map(({ manifest }) => [manifest.name, manifest.version]),
  );
  const fileOf = (name) => `${name.replace('@', '').replace('/', '-')}-${versions.get(name)}.tgz`;
  return new Map(names.map((name) => [name, join(target, fileOf(name))]));
}

/**
 * Installs tarballs, by the names of their packages, and other packages, in an empty folder, with
 * more `settings` of pnpm where needed.
 */
export function installIn(folder, tarballs, { wanted, others = {}, settings = {} }) {
  const file = (name) => `file:${tarballs.get(name)}`;
  const own = { name: 'user', version: '1.0.0', private: true };
  const dependencies = {
    ...Object.fromEntries(wanted.map((name) => [name, file(name)])),
    ...others,
  };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...own, dependencies }));
  const overrides = Object.fromEntries([...tarballs.keys()].map((name) => [name, file(name)]));
  // No hoisting: a dependency that is used but not declared must not be found by luck.
  const strict = { packages: [], overrides, hoist: false, pmOnFail: 'ignore' };
  writeFileSync(join(folder, 'pnpm-workspace.yaml'), JSON.stringify({ ...strict, ...settings }));
  pnpm(['install', '--prefer-offline', '--no-frozen-lockfile'], folder);
}
