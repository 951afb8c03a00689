/**
 * In the end both ends of each pair use the same session (protocol.md §2.9). Owns the talk that
 * brings it about, and the comparison. Two round trips are enough, unless something old is still on
 * its way: then a reset, of which there is one in an hour and later one in a day (§2.10).
 */
import { toHex } from '@agentmesh/crypto';
import { activeOf, decodePeer } from '../../src/conversation/peer.js';
import type { AgentMachine } from './agent-machine.js';
import { Violation } from './oracle.js';
import type { World } from './world.js';

const ROUND_TRIPS = 2;
/** Time for a message and for what answers it. */
const TRIP_MS = 40_000;
const HOUR_MS = 3_600_000;
/** Pauses between two tries. */
const PAUSES_MS = [0, HOUR_MS, 2 * HOUR_MS, 4 * HOUR_MS, 8 * HOUR_MS, 16 * HOUR_MS, 25 * HOUR_MS];

/** Talks both ways in each pair until they agree; throws a Violation if they never do. */
export async function convergence(
  world: World,
  pass: (spanMs: number) => Promise<unknown>,
): Promise<void> {
  const pairs = pairsOf(world.agents);
  let open: string | null = null;
  for (const pauseMs of PAUSES_MS) {
    world.timeline.idleness = 60;
    await pass(pauseMs);
    world.timeline.idleness = 4;
    for (let trip = 0; trip < ROUND_TRIPS; trip++) {
      await roundTrip(world, pairs, pass);
      open = stillOpen(world, pairs);
      if (open === null) return;
    }
    world.trace.add(`not yet: ${open}`);
  }
  throw new Violation(`${open}, in a healed world`);
}

type Pair = readonly [AgentMachine, AgentMachine];

async function roundTrip(
  world: World,
  pairs: readonly Pair[],
  pass: (spanMs: number) => Promise<unknown>,
): Promise<void> {
  for (const [a, b] of pairs) world.say(a, b);
  await pass(TRIP_MS);
  for (const [a, b] of pairs) world.say(b, a);
  await pass(TRIP_MS);
}

/** The first thing that is not as it will be; null if all is. */
function stillOpen(world: World, pairs: readonly Pair[]): string | null {
  const [owing] = world.oracle.owing();
  if (owing !== undefined) return `'${owing.text}' has not arrived`;
  const waiting = world.agents.find(({ name }) => world.oracle.holdingsOf(name).unhandled > 0);
  if (waiting !== undefined) return `${waiting.name} has messages that nobody handled`;
  for (const [a, b] of pairs) {
    const [one, other] = [sendingSession(world, a, b), sendingSession(world, b, a)];
    if (one === null || one !== other) return `${a.name} and ${b.name} send in ${one} and ${other}`;
  }
  return null;
}

/** Everybody with everybody, in a large world with some. */
function pairsOf(agents: readonly AgentMachine[]): Pair[] {
  return agents.flatMap((a, at) => agents.slice(at + 1, at + 4).map((b): Pair => [a, b]));
}

/** The session in which one sends to the other, in hex; null if he would need a new one. */
function sendingSession(world: World, from: AgentMachine, to: AgentMachine): string | null {
  const { peers, epoch } = world.oracle.holdingsOf(from.name);
  const row = peers.get(toHex(to.aid));
  if (row === undefined) return null;
  const active = activeOf(decodePeer(row), epoch);
  return active === null ? null : toHex(active.sid);
}
