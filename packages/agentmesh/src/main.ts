#!/usr/bin/env node
/**
 * The `agentmesh` command. Owns the process: its streams, its terminal and its exit code;
 * everything else is in `cli/run`, which a Node that is too old refuses to load.
 */
import { silenceSqliteWarning } from './cli/sqlite-warning.js';
import { askHidden } from './cli/terminal.js';

silenceSqliteWarning();
import('./cli/run.js').then(
  ({ run }) =>
    run({
      args: process.argv.slice(2),
      env: process.env,
      print: (text) => void process.stdout.write(text),
      complain: (text) => void process.stderr.write(text),
      ask: process.stdin.isTTY ? askHidden : null,
      exit: (code) => {
        process.exitCode = code;
      },
    }),
  (error: unknown) => {
    const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
    if (code !== 'UNSUPPORTED_RUNTIME') throw error;
    process.stderr.write(`agentmesh: ${String(message)}\n`);
    process.exitCode = 1;
  },
);
