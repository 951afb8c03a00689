/**
 * All machines of one run: nodes of NATS where there are any, hubs, agents. Owns in which order
 * they come and go; what happens to them in between is `faults`'.
 */
import { AgentMachine } from './agent-machine.js';
import { Chance } from './chance.js';
import type { Victims } from './faults.js';
import { HubMachine } from './hub-machine.js';
import type { Deed } from './ledger.js';
import { NodeMachine } from './node-machine.js';
import type { ChaosOptions } from './options.js';

/** Of an agent's disk, and of the hub's. */
const AGENT_DISK_MIB = 64;
const HUB_DISK_MIB = 256;

/** One run's. */
export class World {
  readonly names: readonly string[];
  readonly victims: Victims;
  readonly #folder: string;
  readonly #options: ChaosOptions;
  readonly #agents: AgentMachine[] = [];
  readonly #hubs: HubMachine[] = [];
  readonly #nodes: NodeMachine[] = [];
  readonly #deeds: Deed[] = [];

  constructor(folder: string, options: ChaosOptions) {
    this.#folder = folder;
    this.#options = options;
    this.names = Array.from({ length: options.agents }, (_, at) => `agent-${at + 1}`);
    const [agents, hubs, nodes] = [this.#agents, this.#hubs, this.#nodes];
    this.victims = { agents, hubs, nodes, chance: new Chance(options.seed), deeds: this.#deeds };
  }

  /** Resolves when all agents are there. */
  async start(): Promise<void> {
    const { nodes, smallDisks, former } = this.#options;
    const folder = this.#folder;
    if (nodes > 0) this.#nodes.push(...(await NodeMachine.cluster(folder, nodes)));
    for (let at = 1; at <= this.#options.hubs; at++) {
      const hub = new HubMachine({
        name: nodes === 0 ? 'hub' : `hub-${at}`,
        folder,
        diskMiB: smallDisks && nodes === 0 ? HUB_DISK_MIB : null,
        nodes: this.#nodes.map(({ url }) => url),
        former,
      });
      this.#hubs.push(hub);
      await hub.start();
    }
    const diskMiB = smallDisks ? AGENT_DISK_MIB : null;
    for (const [at, name] of this.names.entries()) {
      const peers = this.names.filter((other) => other !== name);
      const turn = at % this.#hubs.length;
      const hubs = [...this.#hubs.slice(turn), ...this.#hubs.slice(0, turn)];
      this.#agents.push(await AgentMachine.at({ name, peers, folder, hubs, former, diskMiB }));
    }
    for (const agent of this.#agents) agent.start();
    await Promise.all(this.#agents.map(({ ready }) => ready));
  }

  /** `isKept`: copies what is on disks that go. */
  async end(isKept: boolean): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.kill()));
    for (const machine of [...this.#hubs, ...this.#nodes]) await machine.stop('SIGKILL');
    for (const { cables, disk } of this.#agents) {
      for (const cable of cables) cable.close();
      if (isKept) disk.keep();
      disk.close();
    }
    for (const { disk } of this.#hubs) disk.close();
  }
}
