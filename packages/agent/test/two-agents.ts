/**
 * Two agents of a world, and what their stores hold: what tests of calls begin with.
 */
import type { Resident, World } from './world.js';

/** Two strangers, without handlers. */
export async function pair(world: World) {
  const alice = await world.agentWithoutHandler('alice');
  const bob = await world.agentWithoutHandler('bob');
  return { alice, bob };
}

/** Two agents that know each other, without handlers. */
export async function acquainted(world: World) {
  const both = await pair(world);
  await world.finish(both.alice.agent.connect('bob'));
  await world.finish(both.bob.agent.connect('alice'));
  return both;
}

/** Keys of rows that begin with one of the prefixes. */
export async function rowsOf({ store }: Resident, ...prefixes: string[]): Promise<string[]> {
  return [...(await store.rows()).keys()].filter((key) =>
    prefixes.some((prefix) => key.startsWith(prefix)),
  );
}
