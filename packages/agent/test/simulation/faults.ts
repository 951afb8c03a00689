/**
 * What goes wrong in the first phase of a run, one thing after the other, drawn from its chance.
 * Owns the list, how often each comes and how long it lasts; the machines own what it means.
 */
import type { AgentMachine, Ending } from './agent-machine.js';
import type { CallOracle } from './call-oracle.js';
import type { Chance } from './chance.js';
import type { HubMachine } from './hub-machine.js';
import type { Machine } from './machine.js';
import type { Network } from './network.js';
import type { Oracle } from './oracle.js';
import { STAGED_FAULTS } from './staged-faults.js';
import type { Trace } from './trace.js';

/** What faults are done to. */
export interface Victims {
  readonly agents: readonly AgentMachine[];
  readonly hub: HubMachine;
  readonly network: Network;
  readonly chance: Chance;
  readonly trace: Trace;
  readonly oracle: Oracle;
  /** What agents ask each other; null where they do not. */
  readonly calls: CallOracle | null;
  say(speaker: AgentMachine, listener: AgentMachine): void;
}

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const ENDINGS: readonly Ending[] = ['killed', 'power lost', 'closed'];

/** By name, with how often it comes. */
export const FAULTS = {
  cut: 10,
  clog: 6,
  swizzle: 2,
  slow: 3,
  agent: 10,
  hub: 5,
  disk: 5,
  hubDisk: 3,
  decay: 1,
  goBack: 2,
  copyLive: 2,
  loseStore: 2,
  clock: 3,
  hubClock: 1,
  mute: 3,
  cutStart: 4,
  hubBack: 2,
  meetBoth: 4,
  load: 1,
  quotas: 0,
} as const;

export const ALL_FAULTS = Object.keys(FAULTS) as FaultName[];

/** Those that were there first: seeds that found something drew from them alone. */
export const FIRST_FAULTS = ALL_FAULTS.slice(0, 14);

/** Those of a run in which agents keep their identities. */
export const LASTING_FAULTS = ALL_FAULTS.filter((name) => name !== 'meetBoth');

export type FaultName = keyof typeof FAULTS;

export type Fault = (victims: Victims, agent: AgentMachine) => void;

const FAULT: { readonly [Name in FaultName]: Fault } = {
  cut: ({ network }, { name }) => network.cut(name),
  clog: ({ network, chance }, { name }) => clogFor(network, name, chance.skewed(500, 90_000)),
  swizzle: (victims) => swizzle(victims),
  slow: ({ network, chance }) => {
    network.slowestMs = chance.skewed(20, 3_000);
    network.timeline.after(chance.between(SECOND_MS, 20 * SECOND_MS), () => {
      network.slowestMs = 20;
    });
  },
  agent: ({ network, chance }, agent) => {
    agent.end(chance.pick(ENDINGS));
    startLater(network, chance, agent);
  },
  hub: ({ hub, network, chance }) => {
    hub.crash(chance.flip(0.5));
    network.timeline.after(chance.skewed(50, 30_000), () => hub.start());
  },
  disk: ({ network, chance }, { disk }) => {
    disk.fault = chance.pick(['full', 'broken']);
    network.timeline.after(chance.skewed(100, 10_000), () => {
      disk.fault = null;
    });
  },
  hubDisk: ({ hub, network, chance }) => {
    hub.disk.broken = true;
    network.timeline.after(chance.skewed(100, 10_000), () => {
      hub.disk.broken = false;
    });
  },
  decay: ({ chance }, { disk }) => disk.decay(chance),
  goBack: ({ network, chance }, agent) => {
    if (agent.images > 0 && chance.flip(0.7)) {
      agent.end('killed');
      agent.restore(chance.below(agent.images));
      startLater(network, chance, agent);
      return;
    }
    agent.end(chance.pick(ENDINGS));
    network.timeline.after(8 * SECOND_MS, () => {
      agent.keepImage();
      agent.start();
    });
  },
  copyLive: ({ chance }, agent) => agent.copyLive(chance),
  loseStore: ({ network, chance }, agent) => {
    agent.end('killed');
    agent.restore(null);
    startLater(network, chance, agent);
  },
  clock: (victims, { machine }) => setClock(victims, machine, 10),
  // What a hub puts off is due by its own clock: days back are days of waiting.
  hubClock: (victims) => setClock(victims, victims.hub.machine, 0),
  ...STAGED_FAULTS,
  // Not a moment's: the hub has them from the beginning.
  quotas: () => {},
};

/** Lets one thing go wrong. */
export function strike(victims: Victims, among: readonly FaultName[]): void {
  const { chance, trace, agents } = victims;
  const total = among.reduce((sum, name) => sum + FAULTS[name], 0);
  let at = chance.below(total);
  const struck = among.find((name) => (at -= FAULTS[name]) < 0);
  if (struck === undefined) return;
  const agent = chance.pick(agents);
  trace.add(`fault ${struck} ${agent.name}`);
  FAULT[struck](victims, agent);
}

/** Everything works again; whatever is down comes up. */
export function heal({ agents, hub, network, calls }: Victims): void {
  network.heal();
  hub.disk.broken = false;
  // The hub tells its time when it greets: deadlines go wrong until it greets again.
  const isSet = calls !== null && hub.machine.clockStepMs !== 0;
  if (isSet) for (const { name } of agents) network.cut(name);
  hub.machine.clockStepMs = 0;
  hub.start();
  for (const agent of agents) {
    agent.disk.fault = null;
    agent.machine.clockStepMs = 0;
    agent.start();
  }
}

function startLater(network: Network, chance: Chance, agent: AgentMachine): void {
  network.timeline.after(chance.skewed(50, 20_000), () => agent.start());
}

function clogFor(network: Network, name: string, ms: number): void {
  network.clog(name);
  network.timeline.after(ms, () => network.unclog(name));
}

/** One agent after the other is cut off from the hub; they come back in another order. */
function swizzle({ agents, network, chance }: Victims): void {
  const some = agents.filter(() => chance.flip(0.6));
  let atMs = 0;
  for (const { name } of chance.shuffled(some)) {
    atMs += chance.between(0, SECOND_MS);
    network.timeline.after(atMs, () => network.clog(name));
  }
  for (const { name } of chance.shuffled(some)) {
    atMs += chance.between(0, 2 * SECOND_MS);
    network.timeline.after(atMs, () => network.unclog(name));
  }
}

/** A clock is set: mostly by minutes, sometimes by days. */
function setClock({ chance, trace, oracle }: Victims, machine: Machine, maxDays: number): void {
  const direction = chance.flip(0.5) ? 1 : -1;
  const days = chance.flip(0.2) ? chance.between(0, maxDays) : 0;
  machine.clockStepMs = direction * (days * DAY_MS + chance.skewed(200, HOUR_MS));
  if (days > 3) oracle.weeksPassed = true;
  trace.add(`clock ${machine.clockStepMs}`);
}
