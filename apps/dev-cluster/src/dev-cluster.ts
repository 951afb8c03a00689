/**
 * The command from its arguments to its exit code: prepares folders and ports, runs the cluster
 * until Ctrl-C or until a part of it ends, and stops it. Owns what is written and printed.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { announcement } from './announcement.js';
import { Cluster } from './cluster.js';
import { ClusterError, FAILED } from './cluster-error.js';
import { measure } from './measure/measure.js';
import { findNatsServer, syncSetting } from './nats-server.js';
import type { NatsServer } from './nats-server.js';
import { HELP, readOptions } from './options.js';
import type { ClusterOptions } from './options.js';
import { planOf, portsOf } from './plan.js';
import type { ClusterPlan } from './plan.js';
import { assertFree, freePorts } from './ports.js';

/** What the command needs of its process. */
export interface CommandProcess {
  readonly args: readonly string[];
  readonly say: (text: string) => void;
  readonly complain: (text: string) => void;
  /** Ctrl-C and its like; the listener is called again for a second one. */
  readonly onSignal: (listener: () => void) => void;
}

const NO_SYNC =
  'note: this nats-server is too old for sync_interval: it confirms before its disk has the data';

/** Runs the command; the exit code. */
export async function devCluster(command: CommandProcess): Promise<number> {
  try {
    const options = readOptions(command.args);
    if (options !== null) return await run(withOwnFolder(options), command);
    command.say(HELP);
    return 0;
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error;
    command.complain(error.message);
    return error.exitCode;
  }
}

async function run(options: ClusterOptions, command: CommandProcess): Promise<number> {
  const natsServer = findNatsServer();
  const { plan, isSynced } = await prepare(options, natsServer);
  const { say } = command;
  const { measure: measures, restart } = options;
  const manner = { restart: restart || measures, follow: !measures };
  const cluster = new Cluster({ plan, natsServer, say, ...manner });
  command.onSignal(() => cluster.interrupt());
  say(`starting ${plan.nodes.length} NATS nodes and ${plan.hubs.length} hubs …`);
  try {
    const hubKey = await cluster.start();
    const work = [cluster.over];
    if (hubKey !== null && measures) {
      const kill = (): void => cluster.kill(plan.hubs.at(-1)?.name ?? '');
      const { version: natsVersion } = natsServer;
      work.push(measure({ measured: { plan, hubKey }, natsVersion, isSynced, say, kill }));
    } else if (hubKey !== null) {
      say(announcement(plan, hubKey, notesOf(options, isSynced)));
    }
    const why = await Promise.race(work);
    if (why !== null) command.complain(`${why}; stopping everything`);
    return why === null ? 0 : FAILED;
  } finally {
    await cluster.stop();
    if (measures) rmSync(options.data, { recursive: true, force: true });
    say('stopped');
  }
}

/** A measurement has nothing to do with what runs here already. */
function withOwnFolder(options: ClusterOptions): ClusterOptions {
  if (!options.measure) return { ...options, data: resolve(options.data) };
  const data = mkdtempSync(join(tmpdir(), 'agentmesh-measure-'));
  return { ...options, port: 0, natsPort: 0, data };
}

function notesOf({ data }: ClusterOptions, isSynced: boolean): string[] {
  return [`data in ${data}`, ...(isSynced ? [] : [NO_SYNC])];
}

async function prepare(
  options: ClusterOptions,
  natsServer: NatsServer,
): Promise<{ plan: ClusterPlan; isSynced: boolean }> {
  const { data, nodes, hubs, fresh } = options;
  if (fresh) rmSync(data, { recursive: true, force: true });
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const ports = portsOf(options, await freePorts(3 * nodes + hubs));
  await assertFree(Object.values(ports).flat());
  const sync = syncSetting(natsServer, data);
  const plan = planOf(options, ports, sync ?? '');
  for (const { folder, config } of plan.nodes) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'nats.conf'), config);
  }
  return { plan, isSynced: sync !== null };
}
