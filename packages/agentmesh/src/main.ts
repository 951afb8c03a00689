#!/usr/bin/env node
/**
 * The `agentmesh` command: a thin door. Owns the process, its streams, its terminal and its exit
 * code; what it does is `@agentmesh/cli`'s, which loads what encrypts only where it is needed.
 */
import { version } from './version.js';

const [only] = process.argv.slice(2);
if (only === '--version' || only === '-V') process.stdout.write(`${version}\n`);
else {
  import('@agentmesh/cli/command').then(
    ({ main }) => main(version),
    (error: unknown) => {
      const { message } = error as { readonly message?: unknown };
      process.stderr.write(`agentmesh: ${String(message)}\n`);
      process.exitCode = 1;
    },
  );
}
