/**
 * Agent to agent over our hub, everything durable: both agents keep every message and every ratchet
 * step in an encrypted file, the hub keeps the envelope, and the handler has run. Beside it the
 * Python operations, which keep nothing.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { Agent } from '@agentmesh/agent';
import { NetworkHub } from '@agentmesh/hub-client';

import { confirm } from '../harness/bench-error.js';
import { OURS } from '../harness/bench.js';
import type { Bench, Case, Contender, Entrant, Sample, Scale } from '../harness/bench.js';
import { confirmDisk, SCRATCH } from '../harness/machine.js';
import { quantile } from '../harness/statistics.js';
import { pythonTalking } from '../peers/python.js';
import { nodePlan, ServerProcess } from '../peers/server-process.js';
import { ourVersion } from './our-version.js';

const TEXT = 'x'.repeat(256);
const WINDOW = 64;
const PACE_PER_SECOND = 200;
/**
 * A sender may send 500 messages at once and 100 a second from then on (docs/limits.md), and an
 * agent keeps to it by itself: each round has agents that have just started.
 */
const BURST = 400;
const RATE = { name: 'rate', unit: 'messages/s', better: 'higher' } as const;
const P50 = { name: 'p50', unit: 'ms', better: 'lower' } as const;
const P99 = { name: 'p99', unit: 'ms', better: 'lower' } as const;
const DURABLE = 'sender, hub and receiver have it on their disks (fsync)';

export const agentsBench: Bench = {
  name: 'agents',
  title: 'Agent to agent over the hub, everything durable',
  cases: (scale) => [rateCase(1, scale), rateCase(8, scale), paceCase(scale)],
};

function rateCase(pairs: number, scale: Scale): Case {
  const count = scale.quick ? 100 : BURST;
  const measure = (world: AgentWorld): Promise<Sample> => world.flood(count);
  return {
    id: `rate-${pairs}`,
    title: `${pairs} pair${pairs === 1 ? '' : 's'}, texts of ${TEXT.length} B, as fast as they go`,
    measures: [RATE],
    entrants: [ourEntrant(pairs, scale, measure), pythonTalking(pairs, TEXT.length)],
    targets: [{ measure: RATE.name, against: 'python', atLeast: 2 }],
  };
}

function paceCase(scale: Scale): Case {
  const count = scale.quick ? 100 : BURST;
  return {
    id: 'pace',
    title: `1 pair at ${PACE_PER_SECOND} messages/s, from send() to the handler`,
    measures: [P50, P99],
    entrants: [ourEntrant(1, scale, (world) => world.pace(count))],
    targets: [{ measure: P50.name, against: null, atMost: 2 }],
  };
}

function ourEntrant(
  pairs: number,
  scale: Scale,
  measure: (world: AgentWorld) => Promise<Sample>,
): Entrant {
  return {
    id: OURS,
    label: 'AgentMesh agents and hub, SQLite',
    async open(): Promise<Contender> {
      confirmDisk();
      const world = await AgentWorld.create(pairs, scale);
      return {
        version: ourVersion(),
        durability: DURABLE,
        check: () => world.confirm(),
        async round() {
          await world.restart();
          await world.confirm();
          return measure(world);
        },
        close: () => world.close(),
      };
    },
  };
}

interface Pair {
  readonly alice: Agent;
  readonly bob: Agent;
  onText: (text: string) => void;
}

/** Pairs of agents with files, on a hub of their own in another process. */
class AgentWorld {
  readonly #folder = mkdtempSync(join(SCRATCH, 'agentmesh-agents-'));
  readonly #server: ServerProcess;
  readonly #pairs: Pair[] = [];

  private constructor(server: ServerProcess) {
    this.#server = server;
  }

  static async create(pairs: number, scale: Scale): Promise<AgentWorld> {
    const world = new AgentWorld(await ServerProcess.start(nodePlan('hub', scale.profileFolder)));
    for (let number = 0; number < pairs; number++) await world.#join(number);
    return world;
  }

  /** Texts arrive in order, unchanged. */
  async confirm(): Promise<void> {
    for (const pair of this.#pairs) {
      const texts: string[] = [];
      const all = new Promise<void>((resolve) => {
        pair.onText = (text) => {
          texts.push(text);
          if (texts.length === 3) resolve();
        };
      });
      for (const text of ['one', 'two', 'three']) await pair.alice.send(pair.bob.id, text);
      await all;
      confirm(texts.join() === 'one,two,three', 'texts arrive in order');
    }
  }

  /** Every pair sends `count` texts, so many at once that nobody waits. */
  async flood(count: number): Promise<Sample> {
    const startMs = performance.now();
    await Promise.all(this.#pairs.map((pair) => floodPair(pair, count)));
    const messages = count * this.#pairs.length;
    return { [RATE.name]: (messages * 1000) / (performance.now() - startMs) };
  }

  /** The first pair sends at a steady pace, whatever has become of the earlier texts. */
  async pace(count: number): Promise<Sample> {
    const [pair] = this.#pairs;
    confirm(pair !== undefined, 'a pair');
    const delays: number[] = [];
    const done = new Promise<void>((resolve) => {
      pair.onText = (text) => {
        delays.push(performance.now() - Number(text));
        if (delays.length === count) resolve();
      };
    });
    let sent = 0;
    const timer = setInterval(() => {
      void pair.alice.send(pair.bob.id, String(performance.now()));
      sent += 1;
      if (sent === count) clearInterval(timer);
    }, 1000 / PACE_PER_SECOND);
    await done;
    return { [P50.name]: quantile(delays, 0.5), [P99.name]: quantile(delays, 0.99) };
  }

  /** All agents end and start again from their files. */
  async restart(): Promise<void> {
    await this.#closeAgents();
    const pairs = this.#pairs.splice(0).length;
    for (let number = 0; number < pairs; number++) await this.#join(number);
  }

  async close(): Promise<void> {
    await this.#closeAgents();
    await this.#server.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #closeAgents(): Promise<void> {
    for (const { alice, bob } of this.#pairs) {
      await alice.close();
      await bob.close();
    }
  }

  async #join(number: number): Promise<void> {
    const [alice, bob] = [await this.#agent(`alice-${number}`), await this.#agent(`bob-${number}`)];
    const pair: Pair = { alice, bob, onText: () => undefined };
    bob.onMessage((message) => pair.onText(message.text ?? ''));
    // Once both have heard each other, messages carry no prekeys any more.
    const heard = new Promise<void>((resolve) => void alice.onMessage(() => resolve()));
    await bob.send(alice.id, 'hello');
    await heard;
    this.#pairs.push(pair);
  }

  #agent(name: string): Promise<Agent> {
    const hub = new NetworkHub({ host: '127.0.0.1', port: this.#server.port, tls: false });
    return Agent.create(name, { hub, keypairPath: join(this.#folder, `${name}.json`) });
  }
}

function floodPair(pair: Pair, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let [sent, settled, handled] = [0, 0, 0];
    const onSettled = (): void => {
      settled += 1;
      fill();
    };
    const fill = (): void => {
      while (sent < count && sent - settled < WINDOW) {
        sent += 1;
        pair.alice.send(pair.bob.id, TEXT).then(onSettled, reject);
      }
    };
    pair.onText = () => {
      handled += 1;
      if (handled === count) resolve();
    };
    fill();
  });
}
