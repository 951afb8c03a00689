/**
 * One run: agents talk while things go wrong, then everything is healed and must settle within a
 * bounded time, then the ledgers are judged. Owns these phases and the report.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { faultsWith } from './fault-names.js';
import type { FaultName } from './fault-names.js';
import { drawn, heal } from './faults.js';
import type { Victims } from './faults.js';
import { Ledger, nowMs } from './ledger.js';
import { unsettledIn, violationsIn } from './oracle.js';
import type { Evidence } from './oracle.js';
import type { ChaosOptions } from './options.js';
import { Starvation } from './starvation.js';
import { lineOf, summaryOf } from './summary.js';
import { World } from './world.js';

const PROGRESS_MS = 10_000;
/** Longest pause between two faults. */
const CALM_MS = 1_500;
/** Lines of a report. */
const SHOWN = 20;
/** How often it is looked whether all is settled, and for how long nothing new may have begun. */
const LOOK_MS = 500;
const QUIET_LOOKS = 4;

/** Runs it, or as much of it as `signal` lets; returns what was not as it must be. */
export async function chaos(
  options: ChaosOptions,
  say: (text: string) => void,
  signal?: AbortSignal,
): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'agentmesh-chaos-'));
  const world = new World(folder, options);
  const { victims } = world;
  const books = new Map<string, Ledger>();
  const evidence = (): Evidence => {
    for (const { name, twins } of victims.agents) {
      for (const own of [name, ...twins]) {
        if (!books.has(own)) books.set(own, new Ledger(folder, own));
      }
    }
    const ledgers = new Map([...books].map(([name, book]) => [name, book.entries()]));
    return { ledgers, deeds: victims.deeds };
  };
  let violations: readonly string[] = [];
  try {
    await world.start();
    const faults = faultsOn(victims, options, say);
    const tell = (): void => say(lineOf(evidence()));
    await strikeAll(victims, { durationMs: options.durationMs, faults, tell, signal });
    await heal(victims);
    const settled = await settle(victims, options.settleMs, evidence);
    say(`${lineOf(evidence())}, ${settled}`);
    say(summaryOf(evidence()));
    const crashes = victims.agents.flatMap((agent) => agent.crashes);
    violations = [...crashes, ...violationsIn(evidence())];
  } finally {
    await world.end(options.keep || violations.length > 0);
  }
  writeFileSync(join(folder, 'deeds.json'), JSON.stringify(victims.deeds, null, 1));
  report(violations, say);
  if (options.keep || violations.length > 0) say(`ledgers: ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
  return violations;
}

/** Those that can be had here. */
function faultsOn(
  { hubs }: Victims,
  { faults, former, nodes }: ChaosOptions,
  say: (text: string) => void,
): readonly FaultName[] {
  const hasSmallDisk = hubs.every(({ disk }) => disk.isReal);
  const means = { hasFiles: nodes === 0, hasSmallDisk, hasFormer: former !== null };
  if (means.hasFiles && !hasSmallDisk) {
    say('no small disks here: full is a store that says so, and fullHub is left out');
  }
  return faultsWith(means, faults);
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
  const { chance, deeds } = victims;
  const { faults, tell } = plan;
  const untilMs = nowMs() + plan.durationMs;
  const isOver = (): boolean => nowMs() >= untilMs || plan.signal?.aborted === true;
  let toldMs = nowMs();
  const busy = new Map<string, Promise<void>>();
  while (!isOver()) {
    const name = chance.pick(faults);
    const { whom, run } = drawn(name, victims);
    deeds.push({ ms: nowMs(), fault: `began ${name}`, whom });
    const fault = (busy.get(whom) ?? Promise.resolve()).then(run);
    busy.set(whom, fault);
    // What fails here is the run's own fault, and ends it.
    if (chance.flip(0.7)) await fault;
    await pause(chance.between(50, CALM_MS));
    if (nowMs() - toldMs < PROGRESS_MS) continue;
    toldMs = nowMs();
    tell();
  }
  await Promise.all(busy.values());
}

/**
 * Lets agents finish what they have begun; returns how long it took. Time in which a process was
 * ready and had no processor is the machine's, and does not count.
 */
async function settle(
  { agents, hubs, nodes }: Victims,
  limitMs: number,
  evidence: () => Evidence,
): Promise<string> {
  const beganMs = nowMs();
  const machines = [...nodes, ...hubs, ...agents];
  const starved = new Starvation(() => machines.map(({ child }) => child), nowMs);
  const spentMs = (): number => nowMs() - beganMs - starved.totalMs;
  let [begun, looks] = [0, 0];
  while (spentMs() < limitMs) {
    await pause(LOOK_MS);
    starved.look();
    if (!agents.every(({ isReady }) => isReady)) continue;
    for (const agent of agents) if (agent.flows) agent.tell({ flow: false });
    const seen = evidence();
    // A busy process hears late that it is to begin nothing more.
    const before = begun;
    begun = begunIn(seen);
    looks = begun === before ? looks + 1 : 0;
    if (looks >= QUIET_LOOKS && unsettledIn(seen).length === 0) break;
  }
  for (const agent of agents) agent.tell({ flow: false });
  const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
  const told = `settled after ${seconds(spentMs())}`;
  // What is told late of what has arrived counts too.
  await pause(2_000);
  return starved.totalMs < 1_000 ? told : `${told}, and ${seconds(starved.totalMs)} without a CPU`;
}

/** Messages that agents have begun to send. */
function begunIn({ ledgers }: Evidence): number {
  const entries = [...ledgers.values()].flat();
  return entries.filter(({ what }) => what === 'began').length;
}

function report(violations: readonly string[], say: (text: string) => void): void {
  for (const violation of violations.slice(0, SHOWN)) say(`BROKEN ${violation}`);
  if (violations.length > SHOWN) say(`and ${violations.length - SHOWN} more`);
}
