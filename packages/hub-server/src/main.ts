#!/usr/bin/env node
/**
 * The `agentmesh-hub` command. Owns the process: its streams, signals and exit; everything else is
 * in `cli/run`, which a Node that is too old refuses to load.
 */
import * as os from 'node:os';
import { chooseCollector } from './cli/collector.js';
import { silenceSqliteWarning } from './cli/sqlite-warning.js';

chooseCollector(process, () => os.availableParallelism());
silenceSqliteWarning();
import('./cli/run.js').then(
  ({ run }) =>
    run({
      args: process.argv.slice(2),
      env: process.env,
      print: (text) => void process.stdout.write(text),
      complain: (text) => void process.stderr.write(text),
      exit: (code) => process.exit(code),
      onSignal: (signal, listener) => void process.on(signal, listener),
    }),
  (error: unknown) => {
    const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
    if (code !== 'UNSUPPORTED_RUNTIME') throw error;
    process.stderr.write(`agentmesh-hub: ${String(message)}\n`);
    process.exitCode = 1;
  },
);
