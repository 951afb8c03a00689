/**
 * The command `pnpm chaos`. Owns the process's arguments and exit code; what a run is, `chaos`
 * knows.
 */
import { randomInt } from 'node:crypto';
import process from 'node:process';
import { chaos } from './chaos.js';
import { HELP, optionsOf } from './options.js';

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const options = optionsOf(process.argv.slice(2), randomInt(2 ** 31));

if (options === null) {
  say(HELP);
} else if (typeof options === 'string') {
  process.stderr.write(`chaos: ${options}\n\n${HELP}`);
  process.exitCode = 2;
} else {
  say(`seed ${options.seed}, ${options.agents} agents, ${options.durationMs / 1_000} s`);
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  const violations = await chaos(options, say, stop.signal);
  say(violations.length === 0 ? 'all held' : `${violations.length} promises broken`);
  process.exit(violations.length === 0 ? 0 : 1);
}
