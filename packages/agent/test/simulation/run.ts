/**
 * One run of the simulation, in two phases: everything goes wrong and nothing may become untrue;
 * then everything is healed and what was promised must come about within bounded time. Owns the
 * phases and their bounds; a run is a function of its seed and options.
 */
import { ready } from '@agentmesh/crypto';
import { answers } from './answers.js';
import { convergence } from './convergence.js';
import { ALL_FAULTS, heal, LASTING_FAULTS, strike } from './faults.js';
import type { FaultName } from './faults.js';
import { Violation } from './oracle.js';
import { World } from './world.js';
import type { Tamper } from './world.js';

/** What can be chosen of a run; the rest is drawn from the seed. */
export interface RunOptions {
  readonly seed: number;
  /** Most agents that a seed may draw; at least 3. */
  readonly maxAgents?: number | undefined;
  /** Which faults there are. */
  readonly faults?: readonly FaultName[] | undefined;
  /** Whether agents change their identities, too. */
  readonly rotate?: boolean | undefined;
  /** Whether agents ask each other, too. */
  readonly calls?: boolean | undefined;
  readonly print?: ((line: string) => void) | undefined;
  readonly tamper?: Tamper | undefined;
}

/** What became of it. */
export interface RunResult {
  readonly seed: number;
  readonly digest: string;
  /** What was not as it must be; null if all was. */
  readonly violation: string | null;
  readonly lastLines: readonly string[];
  readonly agents: number;
  readonly sayings: number;
  readonly received: number;
  readonly told: number;
  readonly events: number;
  /** How often calls ended in each way. */
  readonly ends: Readonly<Record<string, number>>;
  /** Virtual time until everything promised had come about, from the healing on. */
  readonly healedMs: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** The first phase lasts this long at least. */
const ROTATIONS_MS = 25_000;
/** Within this time after healing everything must have come about: resets wait up to a day. */
const LIVENESS_MS = 30 * HOUR_MS;
/** Far more events than any run has that comes to rest. */
const MOST_EVENTS = 500_000;
/** Agents of most runs; a few have as many as they may. */
const USUAL_AGENTS = [3, 3, 3, 3, 4, 4, 5];

/** Runs a seed to its end, or to the first violation. One run at a time. */
export async function run(options: RunOptions): Promise<RunResult> {
  await ready();
  const { seed, calls, print, tamper } = options;
  const { rotate = false, faults = rotate ? ALL_FAULTS : LASTING_FAULTS } = options;
  const quotas = faults.includes('quotas');
  const world = new World({ seed, agents: agentsOf(options), calls, quotas, print, tamper });
  let healedMs = 0;
  let violation: string | null = null;
  try {
    if (rotate) rotateNowAndThen(world);
    await safety(world, faults);
    healedMs = await liveness(world);
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    violation = error.message;
  } finally {
    world.liftLimits();
  }
  const sayings = [...world.oracle.sayings.values()];
  return {
    seed,
    digest: world.trace.digest(),
    violation,
    lastLines: world.trace.last,
    agents: world.agents.length,
    sayings: sayings.length,
    received: sayings.filter(({ received }) => received).length,
    told: sayings.filter(({ told }) => told !== null).length,
    events: world.timeline.steps,
    ends: world.calls?.counts() ?? {},
    healedMs,
  };
}

function agentsOf({ seed, maxAgents = 20 }: RunOptions): number {
  // A stream of its own: how many there are changes nothing else of what is drawn.
  const spread = (seed * 2_654_435_761) >>> 0;
  if (maxAgents > 5 && spread % 50 === 0) return 3 + (spread % (maxAgents - 2));
  return Math.min(maxAgents, USUAL_AGENTS[spread % USUAL_AGENTS.length] ?? 3);
}

/** The first phase: talk and trouble. */
async function safety(world: World, faults: readonly FaultName[]): Promise<void> {
  const { chance, timeline } = world;
  world.hub.start();
  for (const agent of world.agents) agent.start();
  await pass(world, 5_000);
  const endMs = timeline.elapsedMs + chance.between(20_000, 60_000);
  const calmMs = chance.between(1_000, 6_000);
  const silenceMs = chance.between(500, 5_000);
  let strikeMs = timeline.elapsedMs;
  while (timeline.elapsedMs < endMs) {
    for (let n = 0; n < (world.calls === null ? 1 : 3); n++) world.talk();
    if (faults.length > 0 && timeline.elapsedMs >= strikeMs) {
      strike(world, faults);
      strikeMs = timeline.elapsedMs + chance.skewed(calmMs / 3, 3 * calmMs);
    }
    await pass(world, chance.between(silenceMs / 4, 2 * silenceMs));
  }
}

/** In the first phase now and then somebody changes his identity. */
function rotateNowAndThen({ agents, chance, timeline }: World): void {
  const own = chance.fork('rotations');
  const next = (): void => {
    if (timeline.elapsedMs > ROTATIONS_MS) return;
    own.pick(agents).rotate(own);
    timeline.after(own.skewed(2_000, 40_000), next);
  };
  timeline.after(own.between(5_000, 30_000), next);
}

/** The second phase: what was promised comes about, then the sessions of each pair agree. */
async function liveness(world: World): Promise<number> {
  const { timeline, oracle, trace, calls } = world;
  trace.add('healed');
  world.troubled = false;
  heal(world);
  const beganMs = timeline.elapsedMs;
  const isOver = (): boolean =>
    oracle.owing().length === 0 &&
    (calls?.owing() ?? []).length === 0 &&
    ![...world.askers.values()].some(({ isAsking }) => isAsking) &&
    world.agents.every(({ agent }) => agent !== null);
  for (const [spanMs, idleness] of [
    [3 * MINUTE_MS, 1],
    [HOUR_MS, 4],
    [LIVENESS_MS, 60],
  ] as const) {
    timeline.idleness = idleness;
    if (await pass(world, spanMs, isOver)) break;
  }
  const [first] = oracle.owing();
  if (first !== undefined) {
    const state = `accepted ${first.accepted}, durable ${first.durable}`;
    throw new Violation(`'${first.text}' never arrived and nobody was told (${state})`);
  }
  const [open] = calls?.owing() ?? [];
  if (open !== undefined) throw new Violation(`${open.question.n} never ended`);
  const healedMs = timeline.elapsedMs - beganMs;
  // Sessions that are replaced after a few messages would never be the same for long.
  world.liftLimits();
  await convergence(world, (spanMs) => pass(world, spanMs));
  await answers(world, (spanMs, isDone) => pass(world, spanMs, isDone));
  return healedMs;
}

/** Lets time pass, and stops at the first thing that is not as it must be. */
async function pass(world: World, spanMs: number, isOver?: () => boolean): Promise<boolean> {
  const { oracle, timeline } = world;
  const over = await timeline.pass(spanMs, () => {
    if (timeline.steps > MOST_EVENTS) oracle.fail('it does not come to rest');
    return oracle.violation !== null || isOver?.() === true;
  });
  if (oracle.violation !== null) throw oracle.violation;
  return over;
}
