/**
 * Two agents on a hub that have written to each other, and how one says something to the other.
 */
import type { Resident } from './world.js';
import { World } from './world.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** Says it, and lets it arrive. */
export async function say(world: World, from: Resident, to: string, text: string) {
  const sent = await world.finish(from.agent.send(to, text));
  await world.advance(SECOND);
  return sent;
}

/** Two agents that have written to each other, with all receipts told. */
export async function talkingPair(seed: number) {
  const world = await World.create(seed);
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  await say(world, alice, 'bob', 'a1');
  await say(world, bob, 'alice', 'b1');
  await world.advance(MINUTE);
  return { world, alice, bob };
}
