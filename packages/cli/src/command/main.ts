/**
 * The command in its process: streams, terminal, signals and exit code. Owns these; what it does is
 * `run`'s.
 */
import { EXIT } from './process.js';
import type { CommandExtras, CommandProcess, StopListener, StopSignal } from './process.js';
import { run } from './run.js';
import { silenceSqliteWarning } from './sqlite-warning.js';
import { askHidden, choose, confirm } from './terminal.js';

/**
 * Runs the command of this process; `version` is that of the package that installed it, `extras`
 * is what that one has beside it.
 */
export async function main(version: string, extras: CommandExtras = {}): Promise<void> {
  silenceSqliteWarning();
  const isTerminal = process.stdin.isTTY && process.stdout.isTTY;
  await run({
    args: process.argv.slice(2),
    env: process.env,
    cwd: process.cwd(),
    version,
    stdin: process.stdin,
    print: (text) => void process.stdout.write(text),
    complain: (text) => void process.stderr.write(text),
    exit: (code) => {
      process.exitCode = code;
    },
    ask: process.stdin.isTTY ? askHidden : null,
    choose: isTerminal ? choose : null,
    confirm: isTerminal ? confirm : null,
    note: process.stderr.isTTY ? (text) => void process.stderr.write(text) : null,
    onStop,
    extras,
  });
  // All is closed; what is still read from, such as standard input, would keep the process.
  if (isTold) process.exit();
}

/** Who is told of a signal; the last one is. */
const listeners: StopListener[] = [];
let isTold = false;

/** The first signal ends in order, the second at once. */
function stop(signal: StopSignal): void {
  if (isTold) process.exit(EXIT.failed);
  isTold = true;
  // Without a listener all is being closed already.
  listeners.at(-1)?.(signal);
}

const onStop: CommandProcess['onStop'] = (listener) => {
  if (process.listenerCount('SIGTERM', stop) === 0) process.on('SIGTERM', stop).on('SIGINT', stop);
  // Keeps the process running as long as somebody waits to be stopped.
  const alive = setInterval(() => undefined, 2 ** 30);
  listeners.push(listener);
  return () => {
    clearInterval(alive);
    const at = listeners.lastIndexOf(listener);
    if (at >= 0) listeners.splice(at, 1);
  };
};
