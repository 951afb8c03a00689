/**
 * Memory over time: fifty agents in one process that talk at a steady rate, and the hub's process.
 * Both must stay as they are. Runs only when it is named, since it takes as long as it is told to.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { Agent } from '@agentmesh/agent';
import { NetworkHub } from '@agentmesh/hub-client';

import { confirm } from '../harness/bench-error.js';
import { OURS } from '../harness/bench.js';
import type { Bench, Contender, Sample, Scale } from '../harness/bench.js';
import { SCRATCH } from '../harness/machine.js';
import { slopeOf } from '../harness/statistics.js';
import { nodePlan, ServerProcess } from '../peers/server-process.js';
import { growthOf, liveBytes, takeCensus } from './heap.js';
import { ourVersion } from './our-version.js';

const AGENTS = 50;
const PER_SECOND = 200;
const SAMPLES = 24;
/** Of `heardPlaces` in the limits, and a few more. */
const HEARD_PLACES = 4_200;
const AT_ONCE = 200;
/** Sessions begin, code is compiled and caches fill before the first sample. */
const WARM_UP = 0.2;
const AGENTS_SLOPE = { name: 'agents', unit: 'KiB/minute', better: 'lower' } as const;
const HUB_SLOPE = { name: 'hub', unit: 'KiB/minute', better: 'lower' } as const;
/** The same without what SQLite and the allocator hold: what a leak would be. */
const HUB_ALIVE_SLOPE = { name: 'hub alive', unit: 'KiB/minute', better: 'lower' } as const;
const ALIVE = { name: 'alive', unit: 'MiB', better: 'lower' } as const;

export const memoryBench: Bench = {
  name: 'memory',
  title: 'Memory over time',
  onlyByName: true,
  cases: (scale) => [
    {
      id: 'steady',
      title:
        `${AGENTS} agents, ${PER_SECOND} messages/s, ${scale.minutes} minutes` +
        (scale.smallCaches ? ', caches full from the beginning' : ''),
      measures: [AGENTS_SLOPE, HUB_SLOPE, HUB_ALIVE_SLOPE, ALIVE],
      mostRounds: 1,
      hangingMs: Number.POSITIVE_INFINITY,
      entrants: [{ id: OURS, label: 'AgentMesh', open: () => openSociety(scale) }],
      targets: [],
    },
  ],
};

async function openSociety({ minutes, smallCaches, profileFolder }: Scale): Promise<Contender> {
  const folder = mkdtempSync(join(SCRATCH, 'agentmesh-memory-'));
  const server = await ServerProcess.start(
    nodePlan('hub', profileFolder, smallCaches ? ['small-caches'] : []),
  );
  const agents: Agent[] = [];
  const counter = { handled: 0 };
  for (let number = 0; number < AGENTS; number++) {
    const hub = new NetworkHub({ host: '127.0.0.1', port: server.port, tls: false });
    const keypairPath = join(folder, `${number}.json`);
    const agent = await Agent.create(`agent-${number}`, { hub, keypairPath, logLevel: 'error' });
    agent.onMessage(() => void (counter.handled += 1));
    agents.push(agent);
  }
  const talk = new Talk(agents);
  return {
    version: ourVersion(),
    async check() {
      await talk.say();
      for (let wait = 0; counter.handled === 0 && wait < 100; wait++) await pause(100);
      confirm(counter.handled > 0, 'messages are handled');
    },
    async round() {
      if (smallCaches) await talk.fill(() => counter.handled);
      const sample = await observe(server, talk, minutes);
      await pause(5_000);
      confirm(talk.refused === 0, `${talk.refused} messages were refused`);
      confirm(counter.handled === talk.said, `${talk.said} said, ${counter.handled} handled`);
      return sample;
    },
    async close() {
      for (const agent of agents) await agent.close();
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Everybody in turn says something to the next one. */
class Talk {
  readonly #agents: readonly Agent[];
  said = 0;
  refused = 0;

  constructor(agents: readonly Agent[]) {
    this.#agents = agents;
  }

  /** As fast as it goes, until each agent has heard more than it remembers places of. */
  async fill(handled: () => number): Promise<void> {
    const target = this.said + AGENTS * HEARD_PLACES;
    while (this.said < target) {
      await Promise.all(Array.from({ length: AT_ONCE }, () => this.say()));
      while (this.said - handled() > 4 * AT_ONCE) await pause(5);
    }
  }

  async say(): Promise<void> {
    const [from, to] = [this.said, this.said + 1].map((at) => this.#agents[at % AGENTS]);
    this.said += 1;
    if (from === undefined || to === undefined) return;
    await from.send(to.id, 'x'.repeat(256)).catch(() => void (this.refused += 1));
  }
}

async function observe(server: ServerProcess, talk: Talk, minutes: number): Promise<Sample> {
  const startMs = performance.now();
  const lengthMs = minutes * 60_000;
  const timer = setInterval(() => {
    const due = ((performance.now() - startMs) * PER_SECOND) / 1000;
    // After a pause for a snapshot it goes on at its rate, and does not catch up.
    for (let burst = 0; talk.said < due && burst < 4; burst++) void talk.say();
  }, 1000 / PER_SECOND);
  await pause(lengthMs * WARM_UP);
  const before = await takeCensus();
  const [alive, hub, hubAlive]: [number, number][][] = [[], [], []];
  for (let sample = 0; sample < SAMPLES; sample++) {
    await pause((lengthMs * (1 - WARM_UP)) / SAMPLES);
    const minute = (performance.now() - startMs) / 60_000;
    alive?.push([minute, liveBytes() / 1024]);
    hub?.push([minute, server.residentBytes() / 1024]);
    hubAlive?.push([minute, (await server.liveBytes()) / 1024]);
  }
  clearInterval(timer);
  const growth = growthOf(before, await takeCensus());
  process.stderr.write(`\nGrown most since the first snapshot:\n  ${growth.join('\n  ')}\n`);
  return {
    [AGENTS_SLOPE.name]: slopeOf(alive ?? []),
    [HUB_SLOPE.name]: slopeOf(hub ?? []),
    [HUB_ALIVE_SLOPE.name]: slopeOf(hubAlive ?? []),
    [ALIVE.name]: (alive?.at(-1)?.[1] ?? Number.NaN) / 1024,
  };
}
