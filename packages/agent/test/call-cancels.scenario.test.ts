/**
 * Cancel at every point: a call or a stream is given up before and after each commit of either
 * side. It ends with CANCELLED or with what it would have ended with, the handler is told if it
 * runs, and nothing is left in either store.
 */
import { describe, expect, test } from '@jest/globals';
import type { Agent, RequestContext } from '../src/index.js';
import { at, calm, die, everyPoint, leftOf, POINTS, settle } from './call-points.js';
import type { Point } from './call-points.js';
import { acquainted } from './two-agents.js';
import { World } from './world.js';

interface Story {
  readonly name: string;
  /** Commits of each side that it has at least. */
  readonly least: number;
  /** Asks, and gives what cancels it; `ended`: reads it to its end. */
  readonly ask: (agent: Agent) => { cancel: () => Promise<void>; ended: Promise<unknown> };
}

const ITEMS = 5;

const STORIES: readonly Story[] = [
  {
    name: 'a request',
    least: 3,
    ask: (agent) => {
      const begun = agent.call('bob', 'x');
      return {
        cancel: async () => (await begun).cancel('enough'),
        ended: begun.then((call) => call.answer()),
      };
    },
  },
  {
    name: 'a request by its signal',
    least: 3,
    ask: (agent) => {
      const controller = new AbortController();
      return {
        cancel: async () => controller.abort('enough'),
        ended: agent.request('bob', 'x', { signal: controller.signal }),
      };
    },
  },
  {
    name: 'a stream',
    least: 3,
    ask: (agent) => {
      const stream = agent.stream('bob', 'x');
      const read = async (): Promise<unknown> => {
        let items = 0;
        for await (const item of stream) expect(item).toBe(items++);
        return { items, result: await stream.result };
      };
      return { cancel: () => stream.cancel('enough'), ended: read() };
    },
  },
];

const ENDS: readonly unknown[] = [
  { step: 1 },
  { items: ITEMS, result: 'all' },
  { code: 'CANCELLED', message: expect.stringContaining('enough') },
  // It was cancelled before it had begun.
  { code: 'CANCELLED' },
];

/** What bob does: a step, and items with a breath between them. */
function serve(world: World, agent: Agent, runs: RequestContext[]): void {
  const breath = (): Promise<void> =>
    new Promise((resolve) => void world.runtime().schedule(200, resolve));
  agent.onRequest(async (_request, context) => {
    runs.push(context);
    const step = await context.once('step', () => runs.length);
    await breath();
    return { step };
  });
  agent.onStream(async function* (_request, context) {
    runs.push(context);
    for (let n = context.from; n < ITEMS; n++) {
      await breath();
      yield n;
    }
    return 'all';
  });
}

/** Cancels at a point; false if it was never reached. */
async function cancelAt(story: Story, point: Point): Promise<boolean> {
  await using world = await World.create();
  const { alice, bob } = await acquainted(world);
  const runs: RequestContext[] = [];
  serve(world, bob.agent, runs);
  const where = point.who === 'caller' ? alice : bob;
  const cancelled: Promise<void>[] = [];
  let cancel = (): Promise<void> => Promise.resolve();
  const isReached = at(where, point, () => void cancelled.push(cancel()));
  const asked = story.ask(alice.agent);
  cancel = asked.cancel;
  const ended = asked.ended.catch((error: { code: string; message: string }) => {
    const { code, message } = error;
    return { code, message };
  });
  const end = await world.finish(ended);
  await world.finish(Promise.all(cancelled));
  await settle(world);
  for (const each of [alice, bob]) calm(each);
  await settle(world);
  expect(ENDS).toContainEqual(end);
  expect(runs.length).toBeLessThanOrEqual(1);
  // Nobody goes on working for an answer that nobody wants.
  const isCancelled = (end as { code?: string }).code === 'CANCELLED';
  const isOver = runs.every(({ signal }) => signal.aborted || !isCancelled);
  expect(isOver || (await leftOf(bob)).length === 0).toBe(true);
  expect(await leftOf(alice, bob)).toEqual([]);
  expect([...alice.events.stopped, ...bob.events.stopped, ...bob.events.refused]).toEqual([]);
  expect(await world.finish(alice.agent.calls())).toEqual([]);
  return isReached();
}

describe.each(STORIES)('$name', (story) => {
  test.each(POINTS)('cancelled $when any commit of the $who ends once', async (side) => {
    const points = await everyPoint(side, (point) => cancelAt(story, point));
    expect(points).toBeGreaterThanOrEqual(story.least);
  });
});

test('a callee that dies before it has deleted the steps of a cancelled request deletes them later', async () => {
  await using world = await World.create();
  const { alice, bob } = await acquainted(world);
  const hang = async (_request: unknown, context: RequestContext): Promise<never> => {
    await context.once('effect', () => 'done');
    return await new Promise<never>(() => {});
  };
  bob.agent.onRequest(hang);
  const cancelled = await world.finish(alice.agent.call('bob', 'given up'));
  const kept = await world.finish(alice.agent.call('bob', 'goes on', { timeout: '1h' }));
  await world.advance(1_000);
  const steps = async (): Promise<string[]> =>
    [...(await bob.store.rows()).keys()].filter((key) => key.startsWith('step/'));
  expect(await steps()).toHaveLength(2);
  bob.store.beforeCommit = (operations) => {
    if (operations.some((one) => 'delete' in one && one.delete.startsWith('step/'))) die(bob);
  };
  await world.finish(cancelled.cancel('enough'));
  await world.advance(1_000);
  expect(await steps()).toHaveLength(2);
  await world.close(bob);
  calm(bob);
  await world.agentWithoutHandler('bob', {}, bob);
  await world.advance(1_000);
  // The step of a request that may run again stays.
  expect(await steps()).toEqual([expect.stringContaining(kept.id)]);
});
