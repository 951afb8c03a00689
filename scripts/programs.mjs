/**
 * Programs that tests need beside Node, and the one place that installs them: from Debian, as root
 * only, one process at a time, and each package at most once in a while. Elsewhere the tests that
 * need a missing program are skipped by name, and `npm test` says how to get it.
 *
 * As a command, `node scripts/programs.mjs nats-server nc` installs what is missing of those named.
 */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

/** Debian's package of each program, and the names under which the program is known. */
export const PROGRAMS = {
  'nats-server': { debian: 'nats-server', names: ['nats-server'] },
  'redis-server': { debian: 'redis-server', names: ['redis-server'] },
  chromium: { debian: 'chromium', names: ['chromium', 'chromium-browser', 'google-chrome'] },
  nc: { debian: 'netcat-openbsd', names: ['nc'] },
  curl: { debian: 'curl', names: ['curl'] },
  ip: { debian: 'iproute2', names: ['ip'] },
};

/** What `npm test` needs; the rest is for benchmarks. */
export const TESTED = ['nats-server', 'chromium', 'nc', 'curl', 'ip'];

// Debian installs servers where only root's PATH looks. Who starts them by name needs it, too.
const given = (process.env.PATH ?? '').split(':');
const ofRoot = ['/usr/local/sbin', '/usr/sbin', '/sbin'].filter((name) => !given.includes(name));
process.env.PATH = [...given, ...ofRoot].join(':');

const APT_MS = 300_000;
const POLL_MS = 200;
/** After a failed attempt nobody tries again for so long: each one costs a minute. */
const GIVE_UP_MS = 10 * 60_000;

/** Where the program is; null if it is not on this machine. Installs nothing. */
export function findProgram(name) {
  return PROGRAMS[name].names.map(inPath).find((path) => path !== null) ?? null;
}

function inPath(name) {
  const folders = (process.env.PATH ?? '').split(':').filter(Boolean);
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null;
}

/** Whether this process may install packages. */
export function mayInstall() {
  return process.getuid?.() === 0 && inPath('apt-get') !== null;
}

/** Where the program is, after an attempt to install it; null if that did not help. */
export function ensureProgram(name, options = {}) {
  return findProgram(name) ?? ensurePrograms([name], options).get(name) ?? null;
}

/**
 * Installs what is missing of `names` in one go, where that is allowed; a map from each name to
 * its path, or null. Waits for another process that is installing, then looks again.
 */
export function ensurePrograms(names, { folder = defaultFolder(), install = aptInstall } = {}) {
  const missing = () => names.filter((name) => findProgram(name) === null);
  if (missing().length > 0 && (install !== aptInstall || mayInstall())) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    withLock(join(folder, 'lock'), () => {
      const wanted = missing().filter((name) => !gaveUp(folder, name));
      if (wanted.length > 0) install(wanted.map((name) => PROGRAMS[name].debian));
      const failed = wanted.filter((name) => findProgram(name) === null);
      for (const name of failed) writeFileSync(join(folder, `no-${name}`), '');
    });
  }
  return new Map(names.map((name) => [name, findProgram(name)]));
}

/** One line that says how to get programs that are missing. */
export function howToGet(names) {
  const packages = names.map((name) => PROGRAMS[name].debian).join(' ');
  return `apt-get install ${packages} (as root; or run the tests as root, which installs them)`;
}

const defaultFolder = () => join(tmpdir(), `agentmesh-programs-${process.getuid?.() ?? 0}`);

function gaveUp(folder, name) {
  const note = join(folder, `no-${name}`);
  return existsSync(note) && Date.now() - statSync(note).mtimeMs < GIVE_UP_MS;
}

function aptInstall(packages) {
  process.stderr.write(`installing for the tests: ${packages.join(' ')} (apt-get)\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const options = { env, timeout: APT_MS, stdio: 'ignore' };
  // Somebody else's apt-get is waited for, too.
  const quiet = ['-o', 'DPkg::Lock::Timeout=120', '-y', '-qq'];
  spawnSync('apt-get', [...quiet, 'update'], options);
  const one = (list) =>
    spawnSync('apt-get', [...quiet, 'install', '--no-install-recommends', ...list], options);
  // A package that this Debian does not have must not keep the others away.
  if (one(packages).status !== 0) for (const name of packages) one([name]);
}

/** Runs `task` while no other process does; the lock of a process that died is taken over. */
function withLock(path, task) {
  while (!tryLock(path)) {
    if (!isAlive(path)) rmSync(path, { force: true });
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
  }
  try {
    task();
  } finally {
    rmSync(path, { force: true });
  }
}

function tryLock(path) {
  try {
    const file = openSync(path, 'wx');
    writeSync(file, String(process.pid));
    closeSync(file);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Whether the owner lives; one who has not yet written its name is given a moment. */
function isAlive(path) {
  try {
    const owner = Number(readFileSync(path, 'utf8'));
    if (owner === 0) return Date.now() - statSync(path).mtimeMs < 5_000;
    process.kill(owner, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const names = process.argv.slice(2);
  const unknown = names.filter((name) => !Object.hasOwn(PROGRAMS, name));
  if (unknown.length > 0) {
    process.stderr.write(
      `unknown: ${unknown.join(', ')}; known: ${Object.keys(PROGRAMS).join(', ')}\n`,
    );
    process.exit(2);
  }
  const found = ensurePrograms(names);
  const absent = names.filter((name) => found.get(name) === null);
  for (const name of names) process.stdout.write(`${name}: ${found.get(name) ?? 'missing'}\n`);
  if (absent.length > 0) process.stderr.write(`${howToGet(absent)}\n`);
  process.exitCode = absent.length === 0 ? 0 : 1;
}
