/**
 * The command in its process: streams, terminal, signals and exit code. Owns these; what it does is
 * `run`'s.
 */
import type { CommandExtras, CommandProcess } from './process.js';
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
}

/** The first signal ends in order, the second at once. */
const onStop: CommandProcess['onStop'] = (listener) => {
  // Keeps the process running as long as somebody waits to be stopped.
  const alive = setInterval(() => undefined, 2 ** 30);
  let told = false;
  const stop = (): void => {
    if (told) process.exit(1);
    told = true;
    listener();
  };
  process.on('SIGTERM', stop).on('SIGINT', stop);
  return () => {
    clearInterval(alive);
    // Whatever hangs from now on is ended by the next signal.
  };
};
