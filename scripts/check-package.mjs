/**
 * Checks the current package as its users will get it: packs it, lints the tarball (publint,
 * are-the-types-wrong), installs it with its workspace dependencies in an empty folder outside the
 * workspace, and imports every door from an ES module and from CommonJS.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

const packagesFolder = fileURLToPath(new URL('../packages/', import.meta.url));
const windows = process.platform === 'win32';
const readManifest = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
const folder = process.cwd();
const manifest = readManifest(folder);
const scratch = mkdtempSync(join(tmpdir(), 'agentmesh-package-'));
const problems = [];

/** Runs a program; what it printed becomes a problem when it fails. */
function check(title, program, args, cwd) {
  const options = { cwd, encoding: 'utf8', shell: windows && program === 'pnpm' };
  const { status, stdout, stderr, error } = spawnSync(program, args, options);
  if (status === 0) return true;
  problems.push(`${title}:\n${error?.message ?? ''}${stdout}${stderr}`);
  return false;
}

/** Every workspace package that `name` needs at run time, itself included, with its folder. */
function closure(name, found = new Map()) {
  if (found.has(name)) return found;
  const entry = workspace.find((candidate) => candidate.manifest.name === name);
  found.set(name, entry.folder);
  const needed = Object.entries(entry.manifest.dependencies ?? {});
  for (const [dependency, range] of needed) {
    if (range.startsWith('workspace:')) closure(dependency, found);
  }
  return found;
}

function pack(source) {
  const target = join(scratch, 'tarballs', source.split(/[/\\]/).at(-1));
  mkdirSync(target, { recursive: true });
  if (!check('pnpm pack', 'pnpm', ['pack', '--pack-destination', target], source)) return undefined;
  return join(target, readdirSync(target)[0]);
}

async function lintTarball(tarball) {
  const data = readFileSync(tarball);
  const { messages, pkg } = await publint({
    pack: { tarball: data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) },
    strict: true,
  });
  for (const message of messages) problems.push(`publint: ${formatMessage(message, pkg)}`);
  const attw = createRequire(import.meta.url).resolve('@arethetypeswrong/cli/package.json');
  const args = [tarball, '--profile', 'esm-only', '--no-color', '--no-emoji'];
  const cli = join(dirname(attw), 'dist/index.js');
  check('are the types wrong', process.execPath, [cli, ...args], scratch);
}

/** The imports that a user would write; a `node` door is no different here. */
function importFiles(user) {
  const doors = Object.entries(manifest.exports).filter(([, door]) => door.types !== undefined);
  const ids = doors.map(([door]) => JSON.stringify(manifest.name + door.slice(1)));
  writeFileSync(join(user, 'user.mjs'), ids.map((id) => `await import(${id});\n`).join(''));
  writeFileSync(join(user, 'user.cjs'), ids.map((id) => `require(${id});\n`).join(''));
}

function installAsUser(tarballs) {
  const user = join(scratch, 'user');
  mkdirSync(user);
  const file = (name) => `file:${tarballs.get(name)}`;
  const own = { name: 'user', version: '1.0.0', private: true };
  const dependencies = { [manifest.name]: file(manifest.name) };
  writeFileSync(join(user, 'package.json'), JSON.stringify({ ...own, dependencies }));
  const overrides = Object.fromEntries([...tarballs.keys()].map((name) => [name, file(name)]));
  // No hoisting: a dependency that is used but not declared must not be found by luck.
  const settings = { packages: [], overrides, hoist: false, pmOnFail: 'ignore' };
  writeFileSync(join(user, 'pnpm-workspace.yaml'), JSON.stringify(settings));
  importFiles(user);
  if (!check('install', 'pnpm', ['install', '--prefer-offline', '--no-frozen-lockfile'], user))
    return;
  check('import from an ES module', process.execPath, ['user.mjs'], user);
  check('require from CommonJS', process.execPath, ['user.cjs'], user);
}

const workspace = readdirSync(packagesFolder)
  .map((name) => join(packagesFolder, name))
  .filter((path) => existsSync(join(path, 'package.json')))
  .map((path) => ({ folder: path, manifest: readManifest(path) }));
try {
  const tarballs = new Map();
  for (const [name, source] of closure(manifest.name)) tarballs.set(name, pack(source));
  if (problems.length === 0) {
    await lintTarball(tarballs.get(manifest.name));
    installAsUser(tarballs);
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
for (const problem of problems) console.error(`${manifest.name}: ${problem.trimEnd()}\n`);
process.exit(problems.length === 0 ? 0 : 1);
