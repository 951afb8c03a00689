/**
 * Forty lives within minutes: a caller or a callee is killed again and again while calls are open,
 * and one is asked in each life. Each call ends once, with the answer to its own question, and
 * nothing is left.
 */
import { expect, test } from '@jest/globals';
import type { Agent, Call } from '../src/index.js';
import { decodeCallRow } from '../src/calls/call-row.js';
import { leftOf, settle } from './call-points.js';
import { acquainted } from './two-agents.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const LIVES = 40;
/** How long each life is, in turn. */
const LASTS_MS = [0, 200, 1_000, 5_000];

/** Counts what becomes durable of the ends of calls, by id. */
function countEnds({ store }: Resident): Map<string, number> {
  const ends = new Map<string, number>();
  store.afterCommit = (operations) => {
    for (const operation of operations) {
      if (!('put' in operation) || !operation.put.startsWith('call/')) continue;
      const id = operation.put.slice('call/'.length);
      if (decodeCallRow(operation.value).end !== null) ends.set(id, (ends.get(id) ?? 0) + 1);
    }
  };
  return ends;
}

/** What bob does; each step that was kept, by question. */
function serve(world: World, agent: Agent, steps: Map<string, number>): void {
  const breath = (): Promise<void> =>
    new Promise((resolve) => void world.runtime().schedule(50, resolve));
  agent.onRequest(async ({ text }, context) => {
    const step = await context.once('step', () => (steps.get(text) ?? 0) + 1);
    steps.set(text, step);
    await breath();
    return { text, step };
  });
}

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.catch((error: { code: string }) => error.code);

test.each(['caller', 'callee'])('of the %s: each call ends once', async (who) => {
  await using world = await World.create();
  let { alice, bob } = await acquainted(world);
  const steps = new Map<string, number>();
  const ends = countEnds(alice);
  serve(world, bob.agent, steps);
  const calls = new Map<string, string>();
  const again = async (victim: Resident): Promise<Resident> => {
    await world.kill(victim);
    victim.store.beforeCommit = null;
    return await world.finish(world.agentWithoutHandler(victim.name, {}, victim));
  };
  for (let life = 1; life <= LIVES; life++) {
    const call: Call = await world.finish(alice.agent.call('bob', `question ${life}`));
    calls.set(`question ${life}`, call.id);
    await world.advance(LASTS_MS[life % LASTS_MS.length] ?? 0);
    if (who === 'caller') alice = await again(alice);
    else {
      bob = await again(bob);
      serve(world, bob.agent, steps);
    }
  }
  for (let minutes = 0; minutes < 130; minutes++) await world.advance(60_000);
  for (const [text, id] of calls) {
    const call = await alice.agent.callById(id);
    expect([text, call.isOpen]).toEqual([text, false]);
    const end = await world.finish(codeOf(call.answer()));
    // The step that was kept is the one that was answered, however often the handler ran.
    expect(end).toEqual({ text, step: 1 });
    expect(ends.get(id)).toBe(1);
  }
  await settle(world);
  expect(await leftOf(alice, bob)).toEqual([]);
  expect([...alice.events.orphanReply, ...alice.events.cloneOrRollback]).toEqual([]);
});
