/**
 * A hub that is killed and started again, over and over, while agents talk: nothing that it had
 * accepted is lost, and nothing is handled twice.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { seededRandom } from '@agentmesh/hub-compliance';
import { Agent, NetworkHub } from '../../src/index.js';
import { HubCommand } from './hub-command.js';

const SEED = Number(process.env['FC_SEED'] ?? Date.now() % 2 ** 31);
/** 100 restarts during 10,000 messages among 20 agents in a nightly run. */
const RESTARTS = Number(process.env['AGENTMESH_HUB_RESTARTS'] ?? 3);
const MESSAGES = Number(process.env['AGENTMESH_MESSAGES'] ?? 300);
const AGENTS = Number(process.env['AGENTMESH_AGENTS'] ?? 6);
/** Messages that one agent has on their way at once. */
const WINDOW = 8;

/** Messages between two restarts. */
const SHARE = MESSAGES / (RESTARTS + 1);

/** What is known of all messages. */
class Tally {
  readonly accepted = new Set<string>();
  readonly handled = new Map<string, number>();
  readonly alarms = new Set<string>();

  get missing(): number {
    return [...this.accepted].filter((id) => !this.handled.has(id)).length;
  }

  get doubled(): number {
    return [...this.handled.values()].filter((count) => count > 1).length;
  }

  watch(agent: Agent): void {
    agent.onMessage(({ id }) => void this.handled.set(id, (this.handled.get(id) ?? 0) + 1));
    agent.on('refused', ({ code }) => this.alarms.add(code));
    agent.on('undecryptable', ({ code }) => this.alarms.add(code));
    agent.on('gap', ({ state }) => this.alarms.add(state));
    agent.on('peerInstanceChanged', () => this.alarms.add('peerInstanceChanged'));
  }
}

const environment = 'AGENTMESH_HUB_RESTARTS, AGENTMESH_MESSAGES, AGENTMESH_AGENTS';
const size = `${RESTARTS} restarts during ${MESSAGES} messages among ${AGENTS} agents`;

test(
  `a hub that restarts loses nothing and doubles nothing: ${size} (${environment}; seed ${SEED})`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'agentmesh-restarts-'));
    const server = new HubCommand(folder);
    await server.start();
    const hub = new NetworkHub({ host: '127.0.0.1', port: server.port });
    const tally = new Tally();
    const agents: Agent[] = [];
    try {
      for (let n = 0; n < AGENTS; n++) {
        const keypairPath = join(folder, `agent-${n}.json`);
        const agent = await Agent.create(`agent-${n}`, { hub, keypairPath, logLevel: 'silent' });
        tally.watch(agent);
        agents.push(agent);
      }
      await new Traffic(agents, tally).run(server);
      while (tally.missing > 0) await pause(50);
      // What would come twice comes now.
      await pause(200);
      process.stderr.write(
        `${size}: ${tally.accepted.size} accepted, ${tally.missing} lost, ` +
          `${tally.doubled} doubled\n`,
      );
      expect(tally.accepted.size).toBe(MESSAGES);
      expect([tally.missing, tally.doubled, tally.handled.size]).toEqual([0, 0, MESSAGES]);
      expect([...tally.alarms].filter((alarm) => !/^(DUPLICATE|asked)$/.test(alarm))).toEqual([]);
    } finally {
      await Promise.all(agents.map((agent) => agent.close()));
      await hub.close();
      await server.stop();
      rmSync(folder, { recursive: true });
    }
  },
  60_000 + RESTARTS * 10_000,
);

/** The hub over all its lives, and agents that talk in every one of them. */
class Traffic {
  readonly #agents: readonly Agent[];
  readonly #tally: Tally;
  readonly #random = seededRandom(SEED);
  #begun = 0;
  #restarts = 0;

  constructor(agents: readonly Agent[], tally: Tally) {
    this.#agents = agents;
    this.#tally = tally;
  }

  async run(server: HubCommand): Promise<void> {
    const windows = this.#agents.flatMap((agent) =>
      Array.from({ length: WINDOW }, () => this.#talk(agent)),
    );
    await this.#restartAll(server);
    await Promise.all(windows);
  }

  /** In the middle of each share of the messages; by turns without a warning and in order. */
  async #restartAll(server: HubCommand): Promise<void> {
    while (this.#restarts < RESTARTS) {
      while (this.#begun < (this.#restarts + 0.5) * SHARE) await pause(2);
      await server.stop(this.#restarts % 2 === 0 ? 'SIGKILL' : 'SIGTERM');
      await server.start();
      while (!(await this.#areOnline())) await pause(10);
      this.#restarts += 1;
    }
  }

  async #areOnline(): Promise<boolean> {
    const all = await Promise.all(this.#agents.map((agent) => agent.status()));
    return all.every(({ connection }) => connection === 'online');
  }

  async #talk(agent: Agent): Promise<void> {
    const others = this.#agents.filter((other) => other !== agent);
    while (this.#begun < MESSAGES) {
      if (this.#begun >= (this.#restarts + 1) * SHARE) {
        await pause(5);
        continue;
      }
      this.#begun += 1;
      const [a = 0, b = 0] = this.#random(2);
      const peer = others[(a * 256 + b) % others.length]?.id ?? '';
      const { id } = await agent.send(peer, `message ${this.#begun}`);
      this.#tally.accepted.add(id);
    }
  }
}
