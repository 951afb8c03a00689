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
import { FAULTS, heal } from './faults.js';
import type { Victims } from './faults.js';
import { HubMachine } from './hub-machine.js';
import { entriesOf, nowMs } from './ledger.js';
import type { Deed } from './ledger.js';
import { missingIn, violationsIn } from './oracle.js';
import type { Evidence } from './oracle.js';
import type { ChaosOptions } from './options.js';

const PROGRESS_MS = 10_000;
/** Longest pause between two faults. */
const CALM_MS = 1_500;
/** Lines of a report. */
const SHOWN = 20;

/** Runs it; returns what was not as it must be. */
export async function chaos(
  options: ChaosOptions,
  say: (text: string) => void,
): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'agentmesh-chaos-'));
  const names = Array.from({ length: options.agents }, (_, at) => `agent-${at + 1}`);
  const hub = new HubMachine(folder);
  await hub.start();
  const agents: AgentMachine[] = [];
  for (const name of names) {
    const peers = names.filter((other) => other !== name);
    agents.push(await AgentMachine.at({ name, peers, folder, hubPort: () => hub.port }));
  }
  const victims: Victims = { agents, hub, chance: new Chance(options.seed), deeds: [] };
  const evidence = (): Evidence => evidenceOf(folder, names, victims.deeds);
  let violations: readonly string[] = [];
  try {
    for (const agent of agents) agent.start();
    await Promise.all(agents.map(({ ready }) => ready));
    await strikeAll(victims, options, () => say(lineOf(evidence())));
    await heal(victims);
    const settledMs = await settle(victims, options.settleMs, evidence);
    say(`${lineOf(evidence())}, settled after ${(settledMs / 1_000).toFixed(1)} s`);
    violations = [...agents.flatMap(({ crashes }) => crashes), ...violationsIn(evidence())];
  } finally {
    await Promise.all(agents.map((agent) => agent.kill()));
    await hub.stop('SIGKILL');
    for (const { cable } of agents) cable.close();
  }
  writeFileSync(join(folder, 'deeds.json'), JSON.stringify(victims.deeds, null, 1));
  report(violations, say);
  if (options.keep || violations.length > 0) say(`ledgers: ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
  return violations;
}

/** One fault at a time, or two that overlap. */
async function strikeAll(
  victims: Victims,
  { durationMs, faults }: ChaosOptions,
  tell: () => void,
): Promise<void> {
  const { agents, chance, deeds } = victims;
  const untilMs = nowMs() + durationMs;
  let toldMs = nowMs();
  let hubFault: Promise<void> = Promise.resolve();
  const busy = new Map<string, Promise<void>>();
  while (nowMs() < untilMs) {
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

/** Lets agents finish what they have begun; returns how long it took. */
async function settle(
  { agents }: Victims,
  limitMs: number,
  evidence: () => Evidence,
): Promise<number> {
  const beganMs = nowMs();
  await Promise.race([Promise.all(agents.map(({ ready }) => ready)), pause(limitMs)]);
  for (const agent of agents) agent.tell({ flow: false });
  while (nowMs() - beganMs < limitMs) {
    await pause(500);
    if (missingIn(evidence()).length === 0) break;
  }
  const settledMs = nowMs() - beganMs;
  // What is told late of what has arrived counts too.
  await pause(2_000);
  return settledMs;
}

function evidenceOf(folder: string, names: readonly string[], deeds: readonly Deed[]): Evidence {
  return { ledgers: new Map(names.map((name) => [name, entriesOf(folder, name)])), deeds };
}

function lineOf({ ledgers, deeds }: Evidence): string {
  const entries = [...ledgers.values()].flat();
  const count = (what: string): number => entries.filter((entry) => entry.what === what).length;
  const faults = deeds.filter(({ fault }) => fault.startsWith('began ')).length;
  return `${faults} faults, ${count('accepted')} accepted, ${count('handled')} handled`;
}

function report(violations: readonly string[], say: (text: string) => void): void {
  for (const violation of violations.slice(0, SHOWN)) say(`BROKEN ${violation}`);
  if (violations.length > SHOWN) say(`and ${violations.length - SHOWN} more`);
}
