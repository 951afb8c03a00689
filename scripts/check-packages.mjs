/**
 * Checks the current package as its users will get it: packs it, judges the tarball (our own rules,
 * publint, are-the-types-wrong), installs it with its workspace dependencies in an empty folder
 * outside the workspace, imports every door from an ES module and from CommonJS, and compiles a
 * program against its types with the oldest TypeScript that is supported, libraries checked too.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import process from 'node:process';

import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

import { closureOf, installIn, pack, readManifest } from './packing.mjs';
import { tarballFaults } from './tarball-rules.mjs';

const folder = process.cwd();
const manifest = readManifest(folder);
const scratch = mkdtempSync(join(tmpdir(), 'agentmesh-package-'));
const problems = [];
const { version: typesOfNode } = readManifest(
  dirname(createRequire(import.meta.url).resolve('@types/node/package.json')),
);

/** Runs a program; what it printed becomes a problem when it fails. */
function check(title, program, args, cwd) {
  const options = { cwd, encoding: 'utf8' };
  const { status, stdout, stderr, error } = spawnSync(program, args, options);
  if (status === 0) return true;
  problems.push(`${title}:\n${error?.message ?? ''}${stdout}${stderr}`);
  return false;
}

/** The same for what throws; undefined then. */
function attempt(title, work) {
  try {
    return work();
  } catch (error) {
    problems.push(`${title}:\n${error.message}`);
    return undefined;
  }
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

/** The texts of the tarball by path, without its folder `package`. */
function unpacked(tarball) {
  const target = join(scratch, 'unpacked');
  mkdirSync(target);
  check('tar', 'tar', ['-xzf', tarball, '-C', target], scratch);
  const inside = join(target, 'package');
  const entries = readdirSync(inside, { recursive: true, withFileTypes: true });
  return new Map(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [relative(inside, path).split(sep).join('/'), readFileSync(path, 'utf8')]),
  );
}

/** With these settings, the types that a program sees are all there is: nothing is skipped. */
const STRICT = { noEmit: true, strict: true, target: 'es2022', lib: ['es2022', 'dom'] };

/** Compiles imports of all doors as users of each kind of module resolution do. */
function compileAsUser(user) {
  const require = createRequire(import.meta.url);
  const tsc = join(dirname(require.resolve('typescript-oldest/package.json')), 'lib', 'tsc.js');
  const names = doorNames().map((name, index) => `import * as door${index} from ${name};\n`);
  const uses = names.map((_, index) => `void door${index};\n`);
  writeFileSync(join(user, 'types.mts'), `${names.join('')}${uses.join('')}`);
  // To this TypeScript node16 differs from nodenext only in what CommonJS may require.
  const resolutions = ['nodenext', 'bundler', ...(manifest.name === 'agentmesh' ? ['node16'] : [])];
  for (const resolution of resolutions) {
    const module = resolution === 'bundler' ? 'esnext' : resolution;
    const compilerOptions = { ...STRICT, module, moduleResolution: resolution, types: ['node'] };
    const config = join(user, `tsconfig.${resolution}.json`);
    writeFileSync(config, JSON.stringify({ compilerOptions, files: ['types.mts'] }));
    check(`types for ${resolution}, TypeScript 5.7`, process.execPath, [tsc, '-p', config], user);
  }
}

/** The doors with types, as texts of a program. */
function doorNames() {
  const doors = Object.entries(manifest.exports).filter(([, door]) => door.types !== undefined);
  return doors.map(([door]) => JSON.stringify(manifest.name + door.slice(1)));
}

/** The imports that a user would write; a `node` door is no different here. */
function importFiles(user) {
  const ids = doorNames();
  writeFileSync(join(user, 'user.mjs'), ids.map((id) => `await import(${id});\n`).join(''));
  writeFileSync(join(user, 'user.cjs'), ids.map((id) => `require(${id});\n`).join(''));
}

function installAsUser(tarballs) {
  const user = join(scratch, 'user');
  mkdirSync(user);
  importFiles(user);
  const others = {
    '@types/node': typesOfNode,
    // Some entries need what a user may leave out.
    ...manifest.peerDependencies,
  };
  const before = problems.length;
  attempt('install', () => installIn(user, tarballs, { wanted: [manifest.name], others }));
  if (problems.length > before) return;
  check('import from an ES module', process.execPath, ['user.mjs'], user);
  check('require from CommonJS', process.execPath, ['user.cjs'], user);
  compileAsUser(user);
}

try {
  const tarballs = new Map();
  for (const [name, source] of closureOf(manifest.name)) {
    tarballs.set(
      name,
      attempt('pnpm pack', () => pack(source, join(scratch, 'tarballs'))),
    );
  }
  if (problems.length === 0) {
    const tarball = tarballs.get(manifest.name);
    problems.push(...tarballFaults({ files: unpacked(tarball), manifest }));
    await lintTarball(tarball);
    installAsUser(tarballs);
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
for (const problem of problems) console.error(`${manifest.name}: ${problem.trimEnd()}\n`);
process.exit(problems.length === 0 ? 0 : 1);
