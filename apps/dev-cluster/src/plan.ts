/**
 * What runs where: the ports and folders of a development cluster, and the text of each
 * configuration. Owns these decisions; starts nothing and writes nothing.
 */
import { join } from 'node:path';
import type { ClusterOptions } from './options.js';

/** One node of NATS. */
export interface NodePlan {
  readonly name: string;
  readonly port: number;
  readonly monitor: number;
  readonly folder: string;
  readonly config: string;
}

/** One hub. */
export interface HubPlan {
  readonly name: string;
  readonly port: number;
  readonly args: readonly string[];
}

export interface ClusterPlan {
  readonly nodes: readonly NodePlan[];
  readonly hubs: readonly HubPlan[];
}

/** Ports of one kind, in the order of nodes or hubs. */
export interface Ports {
  readonly clients: readonly number[];
  readonly monitors: readonly number[];
  readonly peers: readonly number[];
  readonly hubs: readonly number[];
}

export const HOST = '127.0.0.1';
const MONITOR_OFFSET = 100;
const PEER_OFFSET = 200;

/** Ports that follow each other, or `free` ones where the first is 0. */
export function portsOf(options: ClusterOptions, free: readonly number[]): Ports {
  const { natsPort, port, nodes, hubs } = options;
  const spare = free.slice();
  const take = (first: number, offset: number, count: number): number[] =>
    first === 0
      ? spare.splice(0, count)
      : Array.from({ length: count }, (_, at) => first + offset + at);
  return {
    clients: take(natsPort, 0, nodes),
    monitors: take(natsPort, MONITOR_OFFSET, nodes),
    peers: take(natsPort, PEER_OFFSET, nodes),
    hubs: take(port, 0, hubs),
  };
}

/** `settings` is what this nats-server understands beyond the rest, inside its jetstream block. */
export function planOf(options: ClusterOptions, ports: Ports, settings: string): ClusterPlan {
  const { data } = options;
  const routes = ports.peers.map((port) => `nats-route://${HOST}:${port}`).join(', ');
  const nodes = ports.clients.map((port, at): NodePlan => {
    const name = `nats${at + 1}`;
    const folder = join(data, name);
    const [monitor = 0, peers = 0] = [ports.monitors[at], ports.peers[at]];
    const config = [
      `server_name: ${name}`,
      `listen: "${HOST}:${port}"`,
      `http: "${HOST}:${monitor}"`,
      'max_payload: 2MB',
      'ping_interval: "2s"',
      'ping_max: 3',
      `jetstream {\n  store_dir: ${JSON.stringify(folder)}\n  ${settings}\n}`,
      ...(ports.peers.length === 1
        ? []
        : [`cluster {\n  name: agentmesh\n  listen: "${HOST}:${peers}"\n  routes: [${routes}]\n}`]),
    ];
    return { name, port, monitor, folder, config: `${config.join('\n')}\n` };
  });
  const servers = nodes.map(({ port }) => `${HOST}:${port}`).join(',');
  const hubs = ports.hubs.map((port, at): HubPlan => {
    const name = `hub${at + 1}`;
    const args = ['--port', String(port), '--data', join(data, name)];
    const store = ['--store', `nats://${servers}`, '--hub-key-file', join(data, 'hub.key')];
    return { name, port, args: [...args, ...store] };
  });
  return { nodes, hubs };
}
