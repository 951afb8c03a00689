/**
 * Pairs of agents with files of their own, on a hub in another process: what the benches of agents
 * measure on. Owns starting, stopping and the load; what is counted is the cases'.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';

import { Agent } from '@agentmesh/agent';
import { NetworkHub } from '@agentmesh/hub-client';

import { confirm } from '../harness/bench-error.js';
import type { Scale } from '../harness/bench.js';
import { SCRATCH } from '../harness/machine.js';
import { nodePlan, ServerProcess, writtenBytes } from '../peers/server-process.js';

export const TEXT = 'x'.repeat(256);
const WINDOW = 64;
/** Longer than an outcome waits for company. */
const IDLE_MS = 250;

/** What a flood gave. */
export interface Flood {
  readonly messages: number;
  readonly ms: number;
  /** Processor time of all agents. */
  readonly agentsMs: number;
  /** What agents and hub wrote to the disk. */
  readonly writtenBytes: number;
}

interface Pair {
  readonly alice: Agent;
  readonly bob: Agent;
  onText: (text: string) => void;
}

/** Pairs of agents with files, on a hub of their own in another process. */
export class AgentWorld {
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

  /** Every pair sends as fast as it can for so long; all of it has been handled. */
  async flood(ms: number): Promise<Flood> {
    const [startMs, used, written] = [performance.now(), process.cpuUsage(), this.#written()];
    const counts = await Promise.all(this.#pairs.map((pair) => floodPair(pair, startMs + ms)));
    const { user, system } = process.cpuUsage(used);
    return {
      messages: counts.reduce((sum, count) => sum + count, 0),
      ms: performance.now() - startMs,
      agentsMs: (user + system) / 1000,
      writtenBytes: this.#written() - written,
    };
  }

  /** The first pair sends at a steady pace, whatever has become of the earlier texts: delays. */
  async pace(count: number, perSecond: number): Promise<readonly number[]> {
    const pair = this.#first();
    const delays: number[] = [];
    const done = new Promise<void>((resolve) => {
      pair.onText = (text) => {
        delays.push(performance.now() - Number(text));
        if (delays.length === count) resolve();
      };
    });
    let sent = 0;
    const startMs = performance.now();
    const timer = setInterval(() => {
      const due = Math.min(count, ((performance.now() - startMs) * perSecond) / 1000);
      for (; sent < due; sent++) void pair.alice.send(pair.bob.id, String(performance.now()));
      if (sent >= count) clearInterval(timer);
    }, 1);
    await done;
    return delays;
  }

  /** One text after the other on an idle line: the time until each is known to be delivered. */
  async receipts(count: number): Promise<readonly number[]> {
    const { alice, bob } = this.#first();
    const delays: number[] = [];
    for (let n = 0; n < count; n++) {
      await pause(IDLE_MS);
      const startMs = performance.now();
      const { delivered } = await alice.send(bob.id, TEXT);
      await delivered;
      delays.push(performance.now() - startMs);
    }
    return delays;
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

  #first(): Pair {
    const [pair] = this.#pairs;
    confirm(pair !== undefined, 'a pair');
    return pair;
  }

  #written(): number {
    return writtenBytes(process.pid) + this.#server.writtenBytes();
  }

  #agent(name: string): Promise<Agent> {
    const hub = new NetworkHub({ host: '127.0.0.1', port: this.#server.port, tls: false });
    return Agent.create(name, { hub, keypairPath: join(this.#folder, `${name}.json`) });
  }
}

function floodPair(pair: Pair, endMs: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let [sent, settled, handled] = [0, 0, 0];
    const goOn = (): void => {
      const isOver = performance.now() >= endMs;
      const most = isOver ? sent : settled + WINDOW;
      for (; sent < most; sent++) {
        pair.alice.send(pair.bob.id, TEXT).then(onSettled, reject);
      }
      if (isOver && handled === sent && settled === sent) resolve(sent);
    };
    const onSettled = (): void => {
      settled += 1;
      goOn();
    };
    pair.onText = () => {
      handled += 1;
      goOn();
    };
    goOn();
  });
}
