/**
 * Checks the published packages as their users will get them: packs them, judges each tarball (our
 * own rules, publint, are-the-types-wrong), installs them in an empty folder outside the workspace,
 * imports every door from an ES module and from CommonJS, and compiles a program against their
 * types with the oldest TypeScript that is supported, libraries checked too.
 *
 * In the folder of a package it checks that package and what it stands on; elsewhere, all.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import process from 'node:process';

import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { problemKindInfo } from '@arethetypeswrong/core/problems';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

import { closureOf, installIn, packAll, publishedPackages, readManifest } from './packing.mjs';
import { tarballFaults } from './tarball-rules.mjs';

const scratch = mkdtempSync(join(tmpdir(), 'agentmesh-packages-'));
const problems = [];
const { version: typesOfNode } = readManifest(
  dirname(createRequire(import.meta.url).resolve('@types/node/package.json')),
);

/** The package of the current folder with every package it needs at run time; or all. */
function chosen() {
  const published = publishedPackages();
  const here = published.find(({ folder }) => folder === process.cwd());
  if (here === undefined) return published;
  const needed = closureOf(here.manifest.name);
  return published.filter(({ manifest }) => needed.has(manifest.name));
}

/** What `run` gives; what it throws becomes a problem. */
function attempt(title, run) {
  try {
    return { value: run() };
  } catch (error) {
    problems.push(`${title}: ${error.message}`);
    return null;
  }
}

/** Runs a program; what it printed becomes a problem when it fails. */
function check(title, program, args, cwd) {
  const options = { cwd, encoding: 'utf8' };
  const { status, stdout, stderr, error } = spawnSync(program, args, options);
  if (status !== 0) problems.push(`${title}:\n${error?.message ?? ''}${stdout}${stderr}`);
}

/** The texts of the tarball by path, without its folder `package`. */
function unpacked(tarball) {
  const target = mkdtempSync(join(scratch, 'unpacked-'));
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

/** Our packages are ES modules: what only older resolutions would miss is no fault. */
const NOT_SERVED = new Set(['node10', 'node16-cjs']);

/** The complaints of publint and of are-the-types-wrong. */
async function lintFaults(tarball) {
  const data = readFileSync(tarball);
  const { messages, pkg } = await publint({
    pack: { tarball: data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) },
    strict: true,
  });
  const { types, problems: wrong = [] } = await checkPackage(createPackageFromTarballData(data));
  return [
    ...messages.map((message) => `publint: ${formatMessage(message, pkg)}`),
    ...(types === false ? ['are the types wrong: there are none'] : []),
    ...wrong
      .filter(({ resolutionKind }) => !NOT_SERVED.has(resolutionKind))
      .map((one) => `${problemKindInfo[one.kind].title}: ${JSON.stringify(one)}`),
  ];
}

/** With these settings, the types that a program sees are all there is: nothing is skipped. */
const STRICT = { noEmit: true, strict: true, target: 'es2022', lib: ['es2022', 'dom'] };

/** Compiles imports of all doors as users of each kind of module resolution do. */
function compileAsUser(user, doors) {
  const require = createRequire(import.meta.url);
  const tsc = join(dirname(require.resolve('typescript-oldest/package.json')), 'lib', 'tsc.js');
  const names = doors.map((name, index) => `import * as door${index} from ${name};\n`);
  const uses = names.map((_, index) => `void door${index};\n`);
  writeFileSync(join(user, 'types.mts'), `${names.join('')}${uses.join('')}`);
  for (const resolution of ['nodenext', 'node16', 'bundler']) {
    const module = resolution === 'bundler' ? 'esnext' : resolution;
    const compilerOptions = { ...STRICT, module, moduleResolution: resolution, types: ['node'] };
    const config = join(user, `tsconfig.${resolution}.json`);
    writeFileSync(config, JSON.stringify({ compilerOptions, files: ['types.mts'] }));
    check(`types for ${resolution}, TypeScript 5.7`, process.execPath, [tsc, '-p', config], user);
  }
}

/** The doors with types, as texts of a program. */
function doorsOf({ name, exports }) {
  const doors = Object.entries(exports).filter(([, door]) => door.types !== undefined);
  return doors.map(([door]) => JSON.stringify(name + door.slice(1)));
}

function installAsUser(manifests, tarballs) {
  const user = join(scratch, 'user');
  mkdirSync(user);
  // Some entries need what a user may leave out.
  const peers = Object.assign({}, ...manifests.map(({ peerDependencies }) => peerDependencies));
  const others = { ...peers, '@types/node': typesOfNode };
  const wanted = manifests.map(({ name }) => name);
  // Above the packages there must be none of their user's.
  const virtualStoreDir = join(scratch, 'virtual');
  const installed = attempt('install', () =>
    installIn(user, tarballs, { wanted, others, settings: { virtualStoreDir } }),
  );
  if (installed === null) return;
  const doors = manifests.flatMap(doorsOf);
  writeFileSync(join(user, 'user.mjs'), doors.map((door) => `await import(${door});\n`).join(''));
  writeFileSync(join(user, 'user.cjs'), doors.map((door) => `require(${door});\n`).join(''));
  check('import from an ES module', process.execPath, ['user.mjs'], user);
  check('require from CommonJS', process.execPath, ['user.cjs'], user);
  compileAsUser(user, doors);
}

try {
  const manifests = chosen().map(({ manifest }) => manifest);
  const names = manifests.map(({ name }) => name);
  const packed = attempt('pack', () => packAll(names, join(scratch, 'tarballs')));
  const tarballs = packed?.value ?? new Map();
  for (const manifest of manifests.filter(({ name }) => tarballs.has(name))) {
    const tarball = tarballs.get(manifest.name);
    const faults = [...tarballFaults({ files: unpacked(tarball), manifest })];
    faults.push(...(await lintFaults(tarball)));
    problems.push(...faults.map((fault) => `${manifest.name}: ${fault}`));
  }
  if (packed !== null) installAsUser(manifests, tarballs);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
for (const problem of problems) console.error(`${problem.trimEnd()}\n`);
process.exit(problems.length === 0 ? 0 : 1);
