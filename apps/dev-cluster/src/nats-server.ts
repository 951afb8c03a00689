/**
 * The nats-server of this machine: where it is, what it understands, whether a node is well. Owns
 * these questions; nothing is ever installed from here.
 */
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ClusterError } from './cluster-error.js';
import { HOST } from './plan.js';
import type { NodePlan } from './plan.js';

/** Debian installs it where only root's PATH looks. */
const PLACES = ['nats-server', '/usr/sbin/nats-server', '/usr/local/sbin/nats-server'];
const SYNC = 'sync_interval: always';
const POLL_MS = 100;

/** A nats-server that runs here. */
export interface NatsServer {
  readonly command: string;
  readonly version: string;
}

/** The first that answers; says how to get one where there is none. */
export function findNatsServer(places: readonly string[] = PLACES): NatsServer {
  for (const command of places) {
    const { status, stdout } = spawnSync(command, ['--version'], { encoding: 'utf8' });
    const version = /v(\d+\.\d+\.\d+)/.exec(stdout ?? '')?.[1];
    if (status === 0 && version !== undefined) return { command, version };
  }
  throw new ClusterError(
    'nats-server is not installed. Install it and start again: `apt-get install nats-server` on ' +
      'Debian and Ubuntu, `brew install nats-server` on macOS, or a binary from ' +
      'https://github.com/nats-io/nats-server/releases in a folder of the PATH',
  );
}

/** The setting that makes NATS confirm only what is on the disk; null where it is not known. */
export function syncSetting({ command }: NatsServer, folder: string): string | null {
  const path = join(folder, 'probe.conf');
  writeFileSync(path, `jetstream {\n  store_dir: ${JSON.stringify(folder)}\n  ${SYNC}\n}\n`);
  const { status } = spawnSync(command, ['-t', '-c', path]);
  rmSync(path);
  return status === 0 ? SYNC : null;
}

/** Resolves when the node follows a leader; false when `isOver` came first. */
export async function isHealthy(node: NodePlan, isOver: () => boolean): Promise<boolean> {
  while (!isOver()) {
    const url = `http://${HOST}:${node.monitor}/healthz`;
    const answer = await fetch(url, { signal: AbortSignal.timeout(2_000) }).catch(() => null);
    if (answer?.ok === true) return true;
    await pause(POLL_MS);
  }
  return false;
}
