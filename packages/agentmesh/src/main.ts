#!/usr/bin/env node
/**
 * The `agentmesh` command. Owns the process: its streams, its terminal and its exit code;
 * everything else is in `cli/run`.
 */
import { run } from './cli/run.js';
import { askHidden } from './cli/terminal.js';

// Node 22 calls its SQLite experimental on stderr, where an operator looks for errors.
process.removeAllListeners('warning');
process.on('warning', (warning) => {
  if (warning.name !== 'ExperimentalWarning') process.stderr.write(`${warning.message}\n`);
});

void run({
  args: process.argv.slice(2),
  env: process.env,
  print: (text) => void process.stdout.write(text),
  complain: (text) => void process.stderr.write(text),
  ask: process.stdin.isTTY ? askHidden : null,
  exit: (code) => {
    process.exitCode = code;
  },
});
