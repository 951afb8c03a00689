/**
 * What goes wrong, one thing after the other, drawn from a seed. Owns what each fault does and how
 * long it lasts.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { AgentMachine } from './agent-machine.js';
import type { Chance } from './chance.js';
import type { FaultName } from './fault-names.js';
import type { HubMachine } from './hub-machine.js';
import { nowMs } from './ledger.js';
import type { Deed } from './ledger.js';

/** What faults are done to. */
export interface Victims {
  readonly agents: readonly AgentMachine[];
  readonly hub: HubMachine;
  readonly chance: Chance;
  readonly deeds: Deed[];
}

type Fault = (victims: Victims, agent: AgentMachine) => Promise<void>;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const FAULTS: Readonly<Record<FaultName, Fault>> = {
  kill: async ({ chance }, agent) => {
    await agent.kill();
    await pause(chance.between(0, 2_000));
    agent.start();
  },
  pause: async ({ chance }, { child }) => {
    await child?.pause();
    await pause(chance.between(100, 4_000));
    child?.goOn();
  },
  cut: async (_victims, { cable }) => cable.cut(),
  freeze: async ({ chance }, { cable }) => {
    cable.freeze();
    await pause(chance.between(100, 5_000));
    cable.thaw();
  },
  full: async ({ chance, deeds }, agent) => {
    const { disk, name: whom } = agent;
    deeds.push({ ms: nowMs(), fault: 'full', whom });
    if (disk.isReal) disk.fill();
    else agent.tell({ full: true });
    await pause(chance.between(100, 3_000));
    disk.empty();
    agent.tell({ full: false });
    deeds.push({ ms: nowMs(), fault: 'room', whom });
  },
  clock: async ({ chance }, agent) => agent.setClock(stepOf(chance, 3)),
  rotate: async (_victims, agent) => {
    agent.forgetCopy();
    agent.tell({ rotate: true });
  },
  snapshot: async (_victims, agent) => agent.snapshot(),
  restore: async ({ chance, deeds }, agent) => {
    if (agent.copiedMs === null) return;
    await agent.kill();
    agent.restore();
    deeds.push({ ms: nowMs(), fault: 'restore', whom: agent.name, sinceMs: agent.copiedMs });
    await pause(chance.between(0, 1_000));
    agent.start();
  },
  close: async ({ chance }, agent) => {
    await agent.close();
    await pause(chance.between(0, 2_000));
    agent.start();
  },
  killHub: async ({ hub, chance }) => {
    await hub.stop('SIGKILL');
    await pause(chance.between(0, 3_000));
    await hub.start();
  },
  pauseHub: async ({ hub, chance }) => {
    await hub.child?.pause();
    await pause(chance.between(100, 4_000));
    hub.child?.goOn();
  },
  fullHub: async ({ hub, chance }) => {
    hub.disk.fill();
    await pause(chance.between(100, 5_000));
    hub.disk.empty();
  },
  clockHub: async ({ hub, chance }) => {
    hub.setClock(stepOf(chance, 40));
    // Minutes may stay; who lives for weeks in another time is no agent of this hub.
    await pause(chance.between(100, 5_000));
    hub.setClock(stepOf(chance, 0));
  },
  snapshotHub: async ({ hub }) => {
    await hub.child?.pause();
    hub.backup();
    hub.child?.goOn();
  },
  backupHub: async ({ hub }) => {
    await hub.stop('SIGTERM');
    hub.backup();
    await hub.start();
  },
  restoreHub: async ({ hub, deeds }) => {
    if (hub.copiedMs === null) return;
    await hub.stop('SIGKILL');
    hub.restore();
    deeds.push({ ms: nowMs(), fault: 'restoreHub', whom: 'hub', sinceMs: hub.copiedMs });
    await hub.start();
  },
};

/** Mostly minutes, sometimes days, ahead or back. */
function stepOf(chance: Chance, mostDays: number): number {
  const most = mostDays > 0 && chance.flip(0.2) ? mostDays * DAY_MS : HOUR_MS;
  return chance.between(-most, most);
}

/** Everything works again. */
export async function heal({ agents, hub }: Victims): Promise<void> {
  hub.child?.goOn();
  hub.disk.empty();
  hub.setClock(0);
  if (hub.child === null || hub.child.isOver) await hub.start();
  for (const agent of agents) {
    agent.cable.thaw();
    agent.child?.goOn();
    agent.disk.empty();
    agent.setClock(0);
    agent.tell({ full: false });
    agent.start();
  }
}
