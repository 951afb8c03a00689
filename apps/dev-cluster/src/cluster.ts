/**
 * The running processes of a development cluster: nodes first, hubs once the nodes have a leader,
 * stopped in the opposite order. Owns that order, the lines they print, and what happens when one
 * of them ends by itself.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { Child } from './child.js';
import { ClusterError } from './cluster-error.js';
import { isHealthy } from './nats-server.js';
import type { NatsServer } from './nats-server.js';
import type { ClusterPlan, HubPlan, NodePlan } from './plan.js';

/** What to run and how. */
export interface ClusterParts {
  readonly plan: ClusterPlan;
  readonly natsServer: NatsServer;
  /** Starts again what ends by itself. */
  readonly restart: boolean;
  /** Shows each line of each part once all run. */
  readonly follow: boolean;
  readonly say: (text: string) => void;
}

const RESTART_MS = 2_000;
const KEPT_LINES = 30;

/** From `start` to `stop`. */
export class Cluster {
  readonly #parts: ClusterParts;
  readonly #children = new Map<string, Child>();
  /** Last lines of each, for a start that fails: until then nothing of them is shown. */
  readonly #early = new Map<string, string[]>();
  readonly #ended = Promise.withResolvers<string | null>();
  #isRunning = false;
  #isStopping = false;
  #hubKey: string | null = null;

  constructor(parts: ClusterParts) {
    this.#parts = parts;
  }

  /** Resolves when it is time to stop: null because somebody asked, or which part ended and how. */
  get over(): Promise<string | null> {
    return this.#ended.promise;
  }

  /** The key of the hubs once all run; null if it was stopped before. */
  async start(): Promise<string | null> {
    const { nodes, hubs } = this.#parts.plan;
    for (const node of nodes) this.#startNode(node);
    const isOver = (): boolean => this.#isStopping;
    for (const node of nodes) if (!(await isHealthy(node, isOver))) return null;
    // One after the other: the first makes the hub key, the others read it.
    for (const hub of hubs) if (!(await this.#startHub(hub))) return null;
    this.#isRunning = true;
    this.#early.clear();
    return this.#hubKey;
  }

  /** Asks all parts to end in order; a second call ends them at once. */
  interrupt(): void {
    if (this.#isStopping) for (const child of this.#children.values()) child.kill();
    this.#end(null);
  }

  /** Kills one part, as a crash would. */
  kill(name: string): void {
    this.#children.get(name)?.kill();
  }

  /** Resolves when no process is left. */
  async stop(): Promise<void> {
    this.#end(null);
    const { hubs, nodes } = this.#parts.plan;
    for (const parts of [hubs, nodes]) {
      const children = parts.flatMap(({ name }) => this.#children.get(name) ?? []);
      await Promise.all(children.map((child) => child.stop()));
    }
  }

  #startNode({ name, folder }: NodePlan): void {
    const { command } = this.#parts.natsServer;
    const onLine = (line: string): void => this.#show(name, line);
    this.#watch({ name, command, args: ['-c', join(folder, 'nats.conf')], onLine });
  }

  /** False if it was stopped before it listened. */
  async #startHub(hub: HubPlan): Promise<boolean> {
    const listening = Promise.withResolvers<boolean>();
    const onLine = (line: string): void => {
      const hubKey = /"hubKey":"([^"]+)".*"listening"/.exec(line)?.[1];
      if (hubKey !== undefined) {
        this.#hubKey = hubKey;
        listening.resolve(true);
      }
      this.#show(hub.name, line);
    };
    void this.over.then(() => listening.resolve(false));
    this.#watch({
      name: hub.name,
      command: process.execPath,
      args: [hubMain(), ...hub.args],
      onLine,
    });
    return listening.promise;
  }

  #watch(program: ConstructorParameters<typeof Child>[0]): void {
    const child = new Child(program);
    this.#children.set(program.name, child);
    void child.ended.then((how) => this.#lost(program, how));
  }

  /** A part has ended by itself. */
  async #lost(program: ConstructorParameters<typeof Child>[0], how: string): Promise<void> {
    if (this.#isStopping) return;
    const { name } = program;
    for (const line of this.#early.get(name) ?? []) this.#parts.say(`${name} | ${line}`);
    if (!this.#isRunning || !this.#parts.restart) return this.#end(`${name} ended: ${how}`);
    this.#parts.say(`${name} ended: ${how}; it is started again in ${RESTART_MS / 1_000} seconds`);
    await pause(RESTART_MS);
    if (!this.#isStopping) this.#watch(program);
  }

  #end(why: string | null): void {
    this.#isStopping = true;
    this.#ended.resolve(why);
  }

  #show(name: string, line: string): void {
    const { follow, say } = this.#parts;
    if (this.#isRunning && follow) say(`${name} | ${line}`);
    if (this.#isRunning) return;
    const lines = this.#early.get(name) ?? [];
    this.#early.set(name, [...lines, line].slice(-KEPT_LINES));
  }
}

/** The built `agentmesh-hub` of this workspace. */
function hubMain(): string {
  const resolve = createRequire(import.meta.url);
  const manifest = resolve.resolve('@agentmesh/hub-server/package.json');
  const { bin } = resolve(manifest) as { bin?: Record<string, string> };
  const main = bin?.['agentmesh-hub'];
  if (main === undefined) throw new ClusterError('@agentmesh/hub-server has no command');
  return join(dirname(manifest), main);
}
