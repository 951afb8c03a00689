/**
 * One run: agents talk while things go wrong, then everything is healed and must settle within a
 * bounded time, then the ledgers are judged. Owns these phases and the report.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { AgentMachine } from './agent-machine.js';
import { Chance } from './chance.js';
import type { FaultName } from './fault-names.js';
import { FAULTS, heal } from './faults.js';
import type { Victims } from './faults.js';
import { HubMachine } from './hub-machine.js';
import { Ledger, nowMs } from './ledger.js';
import { unsettledIn, violationsIn } from './oracle.js';
import type { Evidence } from './oracle.js';
import type { ChaosOptions } from './options.js';
import { Starvation } from './starvation.js';
import { lineOf, summaryOf } from './summary.js';

const PROGRESS_MS = 10_000;
/** Longest pause between two faults. */
const CALM_MS = 1_500;
/** Lines of a report. */
const SHOWN = 20;
/** Of an agent's disk, and of the hub's. */
const AGENT_DISK_MIB = 64;
const HUB_DISK_MIB = 256;

/** Runs it, or as much of it as `signal` lets; returns what was not as it must be. */
export async function chaos(
  options: ChaosOptions,
  say: (text: string) => void,
  signal?: AbortSignal,
): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'agentmesh-chaos-'));
  const names = Array.from({ length: options.agents }, (_, at) => `agent-${at + 1}`);
  const hub = new HubMachine(folder, options.smallDisks ? HUB_DISK_MIB : null);
  const agents: AgentMachine[] = [];
  const victims: Victims = { agents, hub, chance: new Chance(options.seed), deeds: [] };
  const books = names.map((name) => [name, new Ledger(folder, name)] as const);
  const evidence = (): Evidence => {
    const ledgers = new Map(books.map(([name, book]) => [name, book.entries()]));
    return { ledgers, deeds: victims.deeds };
  };
  let violations: readonly string[] = [];
  try {
    const diskMiB = options.smallDisks ? AGENT_DISK_MIB : null;
    await startAll({ hub, agents }, { names, folder, diskMiB });
    const faults = faultsOn(hub, options.faults, say);
    const tell = (): void => say(lineOf(evidence()));
    await strikeAll(victims, { durationMs: options.durationMs, faults, tell, signal });
    await heal(victims);
    const settled = await settle(victims, options.settleMs, evidence);
    say(`${lineOf(evidence())}, ${settled}`);
    say(summaryOf(evidence()));
    violations = [...agents.flatMap(({ crashes }) => crashes), ...violationsIn(evidence())];
  } finally {
    await Promise.all(agents.map((agent) => agent.kill()));
    await hub.stop('SIGKILL');
    for (const { cable, disk } of agents) {
      cable.close();
      if (options.keep || violations.length > 0) disk.keep();
      disk.close();
    }
    hub.disk.close();
  }
  writeFileSync(join(folder, 'deeds.json'), JSON.stringify(victims.deeds, null, 1));
  report(violations, say);
  if (options.keep || violations.length > 0) say(`ledgers: ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
  return violations;
}

async function startAll(
  { hub, agents }: { readonly hub: HubMachine; readonly agents: AgentMachine[] },
  world: {
    readonly names: readonly string[];
    readonly folder: string;
    readonly diskMiB: number | null;
  },
): Promise<void> {
  await hub.start();
  const { names, ...place } = world;
  for (const name of names) {
    const peers = names.filter((other) => other !== name);
    agents.push(await AgentMachine.at({ ...place, name, peers, hubPort: () => hub.port }));
  }
  for (const agent of agents) agent.start();
  await Promise.all(agents.map(({ ready }) => ready));
}

/** Those that can be had here. */
function faultsOn(
  { disk }: HubMachine,
  faults: readonly FaultName[],
  say: (text: string) => void,
): readonly FaultName[] {
  if (disk.isReal) return faults;
  say('no small disks here: full is a store that says so, and fullHub is left out');
  return faults.filter((name) => name !== 'fullHub');
}

/** One fault at a time, or two that overlap. */
async function strikeAll(
  victims: Victims,
  plan: {
    readonly durationMs: number;
    readonly faults: readonly FaultName[];
    readonly tell: () => void;
    readonly signal: AbortSignal | undefined;
  },
): Promise<void> {
  const { agents, chance, deeds } = victims;
  const { faults, tell } = plan;
  const untilMs = nowMs() + plan.durationMs;
  const isOver = (): boolean => nowMs() >= untilMs || plan.signal?.aborted === true;
  let toldMs = nowMs();
  let hubFault: Promise<void> = Promise.resolve();
  const busy = new Map<string, Promise<void>>();
  while (!isOver()) {
    const name = chance.pick(faults);
    const agent = chance.pick(agents);
    const whom = name.endsWith('Hub') ? 'hub' : agent.name;
    deeds.push({ ms: nowMs(), fault: `began ${name}`, whom });
    const before = whom === 'hub' ? hubFault : (busy.get(whom) ?? Promise.resolve());
    const fault = before.then(() => FAULTS[name](victims, agent));
    if (whom === 'hub') hubFault = fault;
    else busy.set(whom, fault);
    // What fails here is the run's own fault, and ends it.
    if (chance.flip(0.7)) await fault;
    await pause(chance.between(50, CALM_MS));
    if (nowMs() - toldMs < PROGRESS_MS) continue;
    toldMs = nowMs();
    tell();
  }
  await Promise.all([hubFault, ...busy.values()]);
}

/**
 * Lets agents finish what they have begun; returns how long it took. Time in which a process was
 * ready and had no processor is the machine's, and does not count.
 */
async function settle(
  { agents, hub }: Victims,
  limitMs: number,
  evidence: () => Evidence,
): Promise<string> {
  const beganMs = nowMs();
  const starved = new Starvation(() => [hub.child, ...agents.map(({ child }) => child)]);
  const spentMs = (): number => nowMs() - beganMs - starved.totalMs;
  while (spentMs() < limitMs) {
    await pause(500);
    starved.look();
    if (!agents.every(({ isReady }) => isReady)) continue;
    for (const agent of agents) if (agent.flows) agent.tell({ flow: false });
    if (unsettledIn(evidence()).length === 0) break;
  }
  for (const agent of agents) agent.tell({ flow: false });
  const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
  const told = `settled after ${seconds(spentMs())}`;
  // What is told late of what has arrived counts too.
  await pause(2_000);
  return starved.totalMs < 1_000 ? told : `${told}, and ${seconds(starved.totalMs)} without a CPU`;
}

function report(violations: readonly string[], say: (text: string) => void): void {
  for (const violation of violations.slice(0, SHOWN)) say(`BROKEN ${violation}`);
  if (violations.length > SHOWN) say(`and ${violations.length - SHOWN} more`);
}
