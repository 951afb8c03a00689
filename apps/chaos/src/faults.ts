/**
 * What goes wrong, one thing after the other, drawn from a seed. Owns what each fault does and how
 * long it lasts.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { AgentMachine } from './agent-machine.js';
import type { Chance } from './chance.js';
import { AGENT_FAULT_NAMES, HUB_FAULT_NAMES } from './fault-names.js';
import type { AgentFaultName, FaultName, HubFaultName, NodeFaultName } from './fault-names.js';
import type { HubMachine } from './hub-machine.js';
import { nowMs } from './ledger.js';
import type { Deed } from './ledger.js';
import type { NodeMachine } from './node-machine.js';

/** What faults are done to. */
export interface Victims {
  readonly agents: readonly AgentMachine[];
  readonly hubs: readonly HubMachine[];
  /** Of NATS; none where the hub has files. */
  readonly nodes: readonly NodeMachine[];
  readonly chance: Chance;
  readonly deeds: Deed[];
}

type Fault<Victim> = (victim: Victim, world: Victims) => Promise<void>;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const AGENT_FAULTS: Readonly<Record<AgentFaultName, Fault<AgentMachine>>> = {
  kill: async (agent, { chance }) => {
    await agent.kill();
    await pause(chance.between(0, 2_000));
    agent.start();
  },
  pause: async ({ child }, { chance }) => {
    await child?.pause();
    await pause(chance.between(100, 4_000));
    child?.goOn();
  },
  cut: async ({ cables }, { chance }) => chance.pick(cables).cut(),
  freeze: async ({ cables }, { chance }) => {
    const cable = chance.pick(cables);
    cable.freeze();
    await pause(chance.between(100, 5_000));
    cable.thaw();
  },
  full: async (agent, { chance, deeds }) => {
    const { disk, name: whom } = agent;
    deeds.push({ ms: nowMs(), fault: 'full', whom });
    if (disk.isReal) disk.fill();
    else agent.tell({ full: true });
    await pause(chance.between(100, 3_000));
    disk.empty();
    agent.tell({ full: false });
    deeds.push({ ms: nowMs(), fault: 'room', whom });
  },
  clock: async (agent, { chance }) => agent.setClock(stepOf(chance, 3)),
  rotate: async (agent) => {
    agent.forgetCopy();
    agent.tell({ rotate: true });
  },
  snapshot: async (agent) => agent.snapshot(),
  restore: async (agent, { chance, deeds }) => {
    if (agent.copiedMs === null) return;
    await agent.kill();
    agent.restore();
    deeds.push({ ms: nowMs(), fault: 'restore', whom: agent.name, sinceMs: agent.copiedMs });
    await pause(chance.between(0, 1_000));
    agent.start();
  },
  twin: async (agent, { chance, deeds }) => {
    const sinceMs = nowMs();
    await agent.runTwin(chance.between(500, 5_000));
    // What the twin has taken the agent does not have.
    deeds.push({ ms: nowMs(), fault: 'restore', whom: agent.name, sinceMs });
  },
  close: async (agent, { chance }) => {
    await agent.close();
    await pause(chance.between(0, 2_000));
    agent.start();
  },
  upgrade: async (agent, { chance }) => {
    if (chance.flip(0.5)) await agent.kill();
    else await agent.close();
    agent.upgrade();
    agent.start();
  },
};

const HUB_FAULTS: Readonly<Record<HubFaultName, Fault<HubMachine>>> = {
  killHub: async (hub, { chance }) => {
    await hub.stop('SIGKILL');
    await pause(chance.between(0, 3_000));
    await hub.start();
  },
  pauseHub: async (hub, { chance }) => {
    await hub.child?.pause();
    await pause(chance.between(100, 4_000));
    hub.child?.goOn();
  },
  fullHub: async ({ disk }, { chance }) => {
    disk.fill();
    await pause(chance.between(100, 5_000));
    disk.empty();
  },
  clockHub: async (hub, { chance }) => {
    hub.setClock(stepOf(chance, 40));
    // Minutes may stay; who lives for weeks in another time is no agent of this hub.
    await pause(chance.between(100, 5_000));
    hub.setClock(stepOf(chance, 0));
  },
  restartHub: async (hub) => {
    await hub.stop('SIGTERM');
    await hub.start();
  },
  snapshotHub: async (hub) => {
    await hub.child?.pause();
    hub.backup();
    hub.child?.goOn();
  },
  saveHub: async (hub) => void (await hub.save()),
  backupHub: async (hub) => {
    await hub.stop('SIGTERM');
    hub.backup();
    await hub.start();
  },
  restoreHub: async (hub, { deeds }) => {
    if (hub.copiedMs === null) return;
    await hub.stop('SIGKILL');
    hub.restore();
    deeds.push({ ms: nowMs(), fault: 'restoreHub', whom: hub.name, sinceMs: hub.copiedMs });
    await hub.start();
  },
  upgradeHub: async (hub) => {
    await hub.stop('SIGTERM');
    hub.upgrade();
    await hub.start();
  },
};

const NODE_FAULTS: Readonly<Record<NodeFaultName, Fault<NodeMachine>>> = {
  killNode: async (node, { chance }) => {
    await node.stop('SIGKILL');
    await pause(chance.between(0, 5_000));
    node.start();
  },
  pauseNode: async ({ child }, { chance }) => {
    await child?.pause();
    await pause(chance.between(100, 8_000));
    child?.goOn();
  },
  restartNode: async (node) => {
    await node.stop('SIGTERM');
    node.start();
  },
};

/** A fault and whom it is done to, drawn; it is done when `run` is called. */
export function drawn(
  name: FaultName,
  victims: Victims,
): { readonly whom: string; readonly run: () => Promise<void> } {
  const { agents, hubs, nodes, chance } = victims;
  if (isOneOf(AGENT_FAULT_NAMES, name)) {
    const agent = chance.pick(agents);
    return { whom: agent.name, run: () => AGENT_FAULTS[name](agent, victims) };
  }
  if (isOneOf(HUB_FAULT_NAMES, name)) {
    const hub = chance.pick(hubs);
    return { whom: hub.name, run: () => HUB_FAULTS[name](hub, victims) };
  }
  const node = chance.pick(nodes);
  return { whom: node.name, run: () => NODE_FAULTS[name](node, victims) };
}

function isOneOf<Name extends FaultName>(names: readonly Name[], name: FaultName): name is Name {
  return (names as readonly FaultName[]).includes(name);
}

/** Mostly minutes, sometimes days, ahead or back. */
function stepOf(chance: Chance, mostDays: number): number {
  const most = mostDays > 0 && chance.flip(0.2) ? mostDays * DAY_MS : HOUR_MS;
  return chance.between(-most, most);
}

/** Everything works again. */
export async function heal({ agents, hubs, nodes }: Victims): Promise<void> {
  for (const node of nodes) {
    node.child?.goOn();
    if (node.child === null || node.child.isOver) node.start();
  }
  await Promise.all(
    hubs.map(async (hub) => {
      hub.child?.goOn();
      hub.disk.empty();
      hub.setClock(0);
      if (hub.child === null || hub.child.isOver) await hub.start();
    }),
  );
  for (const agent of agents) {
    for (const cable of agent.cables) cable.thaw();
    agent.child?.goOn();
    agent.disk.empty();
    agent.setClock(0);
    agent.tell({ full: false });
    agent.start();
  }
}
