/**
 * All measurements of a cluster, one after the other, and the machine they were taken on. Owns
 * their names, their order and the table.
 */
import { ready } from '@agentmesh/crypto';
import { cpus } from 'node:os';
import process from 'node:process';
import {
  idleConnection,
  latency,
  recovery,
  registeredAgent,
  rememberedId,
  throughput,
  waitingEnvelope,
} from './measurements.js';
import type { Measured } from './traffic.js';

export interface MeasureOptions {
  readonly measured: Measured;
  readonly natsVersion: string;
  readonly isSynced: boolean;
  readonly say: (text: string) => void;
  /** Kills the last hub. */
  readonly kill: () => void;
}

interface Measurement {
  readonly what: string;
  readonly run: (measured: Measured, kill: () => void) => Promise<string>;
}

const SMALL = 256;
const LARGE = 4_096;

/** Rows of the table, in their order; "copy" is what one node keeps. */
export const MEASUREMENTS: readonly Measurement[] = [
  // First, in a process that has not grown by anything else.
  { what: 'memory of a hub for an idle connection', run: idleConnection },
  {
    what: 'messages through one hub, 256 B',
    run: (measured) => throughput(measured, { hubs: 1, bytes: SMALL }),
  },
  {
    what: 'messages from hub to hub, 256 B',
    run: (measured) => throughput(measured, { hubs: 2, bytes: SMALL }),
  },
  {
    what: 'messages from hub to hub, 4 KiB',
    run: (measured) => throughput(measured, { hubs: 2, bytes: LARGE }),
  },
  { what: 'one message from hub to hub: accepted; delivered (p50 / p99)', run: latency },
  { what: 'copy of what stays of a delivered message', run: rememberedId },
  {
    what: 'copy of a waiting message, 256 B',
    run: (measured) => waitingEnvelope(measured, SMALL),
  },
  {
    what: 'copy of a waiting message, 4 KiB',
    run: (measured) => waitingEnvelope(measured, LARGE),
  },
  { what: 'copy of a registered agent with its prekeys', run: registeredAgent },
  { what: 'all agents of a killed hub connected again', run: recovery },
];

/** Says each figure as a row of a table; resolves with null when it is done. */
export async function measure(options: MeasureOptions): Promise<null> {
  const { measured, natsVersion, isSynced, say, kill } = options;
  await ready();
  const { nodes, hubs } = measured.plan;
  const [{ model } = { model: 'unknown' }] = cpus();
  const sync = isSynced ? 'sync_interval: always' : 'without sync_interval: always';
  say(`${cpus().length} × ${model.trim()}, Node ${process.version}, all on this one machine`);
  say(`${nodes.length} nodes of NATS ${natsVersion} ${sync}, ${hubs.length} hubs\n`);
  say('| What | Measured |\n| ---- | -------- |');
  for (const { what, run } of MEASUREMENTS) say(`| ${what} | ${await run(measured, kill)} |`);
  return null;
}
