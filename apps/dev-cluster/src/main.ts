/**
 * The command `pnpm dev:cluster`: three NATS nodes and two hubs on this machine until Ctrl-C.
 * Owns the process's arguments, signals and exit code.
 */
import process from 'node:process';
import { devCluster } from './dev-cluster.js';

const code = await devCluster({
  args: process.argv.slice(2),
  say: (text) => void process.stdout.write(`${text}\n`),
  complain: (text) => void process.stderr.write(`dev-cluster: ${text}\n`),
  onSignal(listener) {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, listener);
  },
});
// What a measurement that was interrupted has left open does not keep the process.
process.exit(code);
