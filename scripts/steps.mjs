/**
 * One step of a longer run: a child process whose output is shown only when it fails, with its
 * duration. What the steps are is not known here.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { performance } from 'node:perf_hooks';
import process from 'node:process';

const children = new Set();
/** 128 + the number of the signal that came, as shells count it; undefined while none has. */
let interruption;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    interruption = 128 + constants.signals[signal];
    for (const child of children) child.kill(signal);
  });
}

/** CI never changes the lockfile; a contributor who added a dependency gets it updated. */
export function installArgs() {
  return ['install', '--reporter=append-only', ...(process.env.CI ? ['--frozen-lockfile'] : [])];
}

/**
 * Runs `command`; resolves to `{ ok, code, interrupted }`. With `show` the output goes straight to
 * the terminal, otherwise it appears only after a failure. With `quiet` there is no line for it.
 */
export async function runStep({ name, command, show = false, quiet = false, hint }) {
  const started = performance.now();
  if (!quiet) process.stdout.write(`▶ ${name}\n`);
  const result = interruption === undefined ? await run(command, show) : { output: '' };
  const { code, output } = { ...result, code: interruption ?? result.code };
  const ok = code === 0;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const line = `${ok ? '✓' : '✗'} ${name} (${seconds} s)`;
  if (!quiet) process.stdout.write(`${line}\n`);
  if (!ok && output) process.stdout.write(`${output.trimEnd()}\n`);
  if (!ok && hint) process.stdout.write(`  → ${hint}\n`);
  return { ok, code, interrupted: interruption !== undefined };
}

function run([program, ...args], show) {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      stdio: show ? 'inherit' : ['ignore', 'pipe', 'pipe'],
      // On Windows pnpm is a command file, which only a shell can start.
      shell: process.platform === 'win32',
    });
    let output = '';
    children.add(child);
    child.stdout?.on('data', (chunk) => (output += chunk));
    child.stderr?.on('data', (chunk) => (output += chunk));
    child.on('error', (error) => {
      children.delete(child);
      resolve({ code: 127, output: `${program}: ${error.message}` });
    });
    child.on('close', (code) => {
      children.delete(child);
      resolve({ code: code ?? 1, output });
    });
  });
}
