/**
 * The machine of one node of NATS: one process after the other over one folder. Owns its
 * configuration, and that a nats-server is here at all.
 */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Child } from './child.js';

const HOST = '127.0.0.1';
/** Debian installs it where only root's PATH looks. */
const PLACES = ['nats-server', '/usr/sbin/nats-server', '/usr/local/sbin/nats-server'];
const POLL_MS = 100;
const START_MS = 60_000;

interface Place {
  readonly client: number;
  readonly monitor: number;
  readonly route: number;
}

/** One node over all its lives. */
export class NodeMachine {
  readonly name: string;
  readonly url: string;
  readonly #command: string;
  readonly #config: string;
  readonly #monitor: number;
  #child: Child | null = null;

  private constructor(folder: string, name: string, parts: { command: string; places: Place[] }) {
    const { command, places } = parts;
    const at = Number(name.slice(name.lastIndexOf('-') + 1)) - 1;
    const { client, monitor, route } = places[at] ?? { client: 0, monitor: 0, route: 0 };
    this.name = name;
    this.url = `nats://${HOST}:${client}`;
    this.#command = command;
    this.#monitor = monitor;
    this.#config = join(folder, name, 'nats.conf');
    mkdirSync(join(folder, name));
    const routes = places.map((place) => `nats-route://${HOST}:${place.route}`).join(', ');
    const config = [
      `server_name: ${name}`,
      `listen: "${HOST}:${client}"`,
      `http: "${HOST}:${monitor}"`,
      `log_file: ${JSON.stringify(join(folder, name, 'nats.log'))}`,
      'max_payload: 2MB',
      'ping_interval: "2s"',
      'ping_max: 3',
      `jetstream { store_dir: ${JSON.stringify(join(folder, name))} }`,
      `cluster { name: agentmesh, listen: "${HOST}:${route}", routes: [${routes}] }`,
    ];
    writeFileSync(this.#config, `${config.join('\n')}\n`);
  }

  /** A cluster that follows a leader; throws where there is no nats-server. */
  static async cluster(folder: string, count: number): Promise<NodeMachine[]> {
    const command = PLACES.find((place) => spawnSync(place, ['--version']).status === 0);
    if (command === undefined) throw new TypeError('--store nats: nats-server is not installed');
    const ports = await freePorts(3 * count);
    const places = Array.from({ length: count }, (_, at): Place => {
      const [client = 0, monitor = 0, route = 0] = ports.slice(3 * at);
      return { client, monitor, route };
    });
    const nodes = places.map(
      (_, at) => new NodeMachine(folder, `node-${at + 1}`, { command, places }),
    );
    for (const node of nodes) node.start();
    await Promise.all(nodes.map((node) => node.#healthy()));
    return nodes;
  }

  get child(): Child | null {
    return this.#child;
  }

  /** Whether it finds the others is not waited for. */
  start(): void {
    const args = ['-c', this.#config];
    this.#child = new Child({ command: this.#command, args, clockMs: 0, onLine: () => undefined });
  }

  async stop(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    await this.#child?.stop(signal);
  }

  async #healthy(): Promise<void> {
    const url = `http://${HOST}:${this.#monitor}/healthz`;
    for (let tried = 0; tried < START_MS / POLL_MS; tried++) {
      const answer = await fetch(url).catch(() => null);
      if (answer?.ok === true) return;
      await pause(POLL_MS);
    }
    throw new TypeError(`${this.name} does not start: ${this.#config}`);
  }
}

/** Ports that were free a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, HOST));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  return servers.map((server) => {
    const { port } = server.address() as AddressInfo;
    server.close();
    return port;
  });
}
