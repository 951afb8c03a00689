/**
 * One real nats-server process for tests, in a folder that goes away, on loopback or in a network
 * namespace. Owns the process and its configuration.
 * Nodes that belong together are a `NatsCluster`.
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureProgram } from '../../../../scripts/programs.mjs';
import { freezeProcess } from '../frozen-process.js';

/** What `nats-server` needs beyond ports and folders, in its own syntax. */
export interface NatsSettings {
  readonly extra?: string;
  /** Inside the jetstream block. */
  readonly jetstream?: string;
  /** Default: true. */
  readonly isJetStream?: boolean;
}

/** Where a node listens. */
export interface NatsPlace {
  readonly host: string;
  readonly port: number;
  readonly monitor: number;
  /** Network namespace that the process lives in. */
  readonly namespace: string | null;
}

const START_MS = 30_000;
const POLL_MS = 50;
const LOOPBACK = '127.0.0.1';
const living = new Set<NatsNode>();

// A test process that ends before its tests have tidied up leaves nothing behind either.
process.on('exit', () => {
  for (const node of living) node.abandon();
});

/** Whether nats-server is here, after an attempt to install it where that is allowed. */
export function hasNats(): boolean {
  return ensureProgram('nats-server') !== null;
}

/** The setting that we require, where this nats-server has it: 2.9 has not. */
function syncSetting(folder: string): string {
  const setting = 'sync_interval: always';
  const path = join(folder, 'known.conf');
  writeFileSync(path, `jetstream {\nstore_dir: "${folder}"\n${setting}\n}`);
  return spawnSync('nats-server', ['-t', '-c', path]).status === 0 ? setting : '';
}

/** One node, which may be killed and started again over the same files. */
export class NatsNode {
  readonly folder = mkdtempSync(join(tmpdir(), 'agentmesh-nats-'));
  readonly #place: NatsPlace;
  #child: ChildProcess | null = null;

  /** Does not start yet; `lines` come into the configuration as they are. */
  constructor(place: NatsPlace, settings: NatsSettings, lines = '') {
    this.#place = place;
    const { extra = '', jetstream = '', isJetStream = true } = settings;
    const sync = jetstream.includes('sync_interval') ? '' : syncSetting(this.folder);
    const { host, port, monitor } = place;
    const config = [
      `host: ${host}`,
      `port: ${port}`,
      `http: ${host}:${monitor}`,
      'max_payload: 2MB',
      // Silence of a peer is noticed within seconds, not the four minutes that are the default.
      'ping_interval: "2s"',
      'ping_max: 3',
      isJetStream ? `jetstream {\nstore_dir: "${this.folder}"\n${sync}\n${jetstream}\n}` : '',
      lines,
      extra,
    ];
    writeFileSync(join(this.folder, 'nats.conf'), config.join('\n'));
  }

  /** A node by itself, running. */
  static async single(settings: NatsSettings = {}): Promise<NatsNode> {
    const [port = 0, monitor = 0] = await freePorts(2);
    const node = new NatsNode({ host: LOOPBACK, port, monitor, namespace: null }, settings);
    await node.start();
    return node;
  }

  get url(): string {
    return `nats://${this.#place.host}:${this.port}`;
  }

  get port(): number {
    return this.#place.port;
  }

  /** 0 while it does not run. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child !== null;
  }

  /** Resolves when JetStream works: in a cluster, when it follows the leader. */
  async start(): Promise<void> {
    this.launch();
    await this.healthy();
  }

  /** Starts the process without waiting: the first node of a cluster alone never gets healthy. */
  launch(): void {
    const config = join(this.folder, 'nats.conf');
    const command = ['nats-server', '-c', config, '-l', join(this.folder, 'nats.log')];
    const { namespace } = this.#place;
    const [program = '', ...args] =
      namespace === null ? command : ['ip', 'netns', 'exec', namespace, ...command];
    this.#child = spawn(program, args, { stdio: 'ignore' });
    living.add(this);
  }

  async healthy(): Promise<void> {
    const endMs = Date.now() + START_MS;
    while ((await this.page('/healthz')) === null) {
      if (Date.now() > endMs) throw new Error(`nats-server does not start: ${this.folder}`);
      await pause(POLL_MS);
    }
  }

  /** A page of its monitor; null unless it says all is well. */
  async page(path: string): Promise<unknown> {
    try {
      const { host, monitor } = this.#place;
      const signal = AbortSignal.timeout(2_000);
      const answer = await fetch(`http://${host}:${monitor}${path}`, { signal });
      return answer.ok ? await answer.json() : null;
    } catch {
      return null;
    }
  }

  /** `SIGKILL` unless told otherwise; resolves when it is dead. */
  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.#child = null;
    living.delete(this);
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  }

  /** Holds the process as it is: its connections stay open and nothing answers. */
  async freeze(): Promise<void> {
    if (this.#child !== null) await freezeProcess(this.#child);
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  async dispose(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The same without waiting. */
  abandon(): void {
    this.#child?.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Ports that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, LOOPBACK);
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
