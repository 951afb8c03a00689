/**
 * Real nats-server processes for tests: one node, or a cluster, in folders that go away.
 * Owns the processes and their configuration; installs Debian's package where it can.
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What `nats-server` needs beyond ports and folders, in its own syntax. */
export interface NatsSettings {
  readonly extra?: string;
  /** Inside the jetstream block. */
  readonly jetstream?: string;
}

const START_MS = 15_000;
const POLL_MS = 50;

/** Whether nats-server runs here; tries to install it, once, where that is allowed. */
export function hasNats(): boolean {
  const isThere = () => spawnSync('nats-server', ['--version']).status === 0;
  if (isThere()) return true;
  if (process.getuid?.() !== 0) return false;
  const quiet = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  spawnSync('apt-get', ['update', '-qq'], quiet);
  spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'nats-server'], quiet);
  return isThere();
}

/** One node, which may be killed and started again over the same files. */
export class NatsNode {
  readonly folder: string;
  readonly port: number;
  readonly #monitor: number;
  #child: ChildProcess | null = null;

  private constructor(folder: string, ports: { port: number; monitor: number }) {
    this.folder = folder;
    this.port = ports.port;
    this.#monitor = ports.monitor;
  }

  /** A node by itself. */
  static async single(settings: NatsSettings = {}): Promise<NatsNode> {
    const [port = 0, monitor = 0] = await freePorts(2);
    const node = new NatsNode(mkdtempSync(join(tmpdir(), 'agentmesh-nats-')), { port, monitor });
    node.#configure(settings, '');
    await node.start();
    return node;
  }

  /** Nodes that hold copies for each other, all running. */
  static async cluster(size: number, settings: NatsSettings = {}): Promise<NatsNode[]> {
    const ports = await freePorts(size * 3);
    const routes = ports.slice(2 * size).map((port) => `nats-route://127.0.0.1:${port}`);
    const nodes = Array.from({ length: size }, (_, index) => {
      const folder = mkdtempSync(join(tmpdir(), 'agentmesh-nats-'));
      const [port = 0, monitor = 0, route = 0] = [0, 1, 2].map((row) => ports[row * size + index]);
      const node = new NatsNode(folder, { port, monitor });
      const cluster = ['name: agentmesh', 'host: 127.0.0.1', `port: ${route}`];
      const lines = [...cluster, `routes: [${routes.join(', ')}]`].join('\n');
      node.#configure(settings, `server_name: n${index + 1}\ncluster {\n${lines}\n}`);
      return node;
    });
    await Promise.all(nodes.map((node) => node.start()));
    return nodes;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Resolves when JetStream works. */
  async start(): Promise<void> {
    const args = ['-c', join(this.folder, 'nats.conf'), '-l', join(this.folder, 'nats.log')];
    this.#child = spawn('nats-server', args, { stdio: 'ignore' });
    const endMs = Date.now() + START_MS;
    while (!(await this.#isHealthy())) {
      if (Date.now() > endMs) throw new Error(`nats-server does not start: ${this.folder}`);
      await pause(POLL_MS);
    }
  }

  /** `SIGKILL` unless told otherwise; resolves when it is dead. */
  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  }

  async dispose(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #configure({ extra = '', jetstream = '' }: NatsSettings, cluster: string): void {
    const lines = [
      'host: 127.0.0.1',
      `port: ${this.port}`,
      `http: 127.0.0.1:${this.#monitor}`,
      'max_payload: 2MB',
      `jetstream {\nstore_dir: "${this.folder}"\n${jetstream}\n}`,
      cluster,
      extra,
    ];
    writeFileSync(join(this.folder, 'nats.conf'), lines.join('\n'));
  }

  async #isHealthy(): Promise<boolean> {
    try {
      return (await fetch(`http://127.0.0.1:${this.#monitor}/healthz`)).ok;
    } catch {
      return false;
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Ports that were free a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  return servers.map((server) => {
    const address = server.address();
    server.close();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
}
