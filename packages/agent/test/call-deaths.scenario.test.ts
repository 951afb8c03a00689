/**
 * What dies when (protocol.md §2.19): either side is killed before and after each of its commits,
 * and starts again. The call ends once, with its answer; what had a result is not done again; and
 * nothing is left. One story per kind of call.
 */
import { describe, expect, test } from '@jest/globals';
import type { Agent, Message, RequestContext } from '../src/index.js';
import { at, calm, die, everyPoint, leftOf, POINTS, settle } from './call-points.js';
import type { Point } from './call-points.js';
import { acquainted } from './two-agents.js';
import { World } from './world.js';
import type { Resident } from './world.js';

/** What the handlers of one story have done. */
class Evidence {
  /** Runs of handlers, and of steps by their results. */
  readonly runs: string[] = [];
  readonly steps: number[] = [];

  serve(agent: Agent): void {
    agent.onRequest((request, context) => this.#answer(request, context));
    agent.onStream((request, context) => this.#produce(request, context));
  }

  async #answer({ id }: Message, context: RequestContext): Promise<object> {
    this.runs.push(id);
    const step = await context.once('step', () => this.steps.push(this.steps.length + 1));
    return { step };
  }

  async *#produce({ id }: Message, { from }: RequestContext) {
    this.runs.push(id);
    for (let n = from; n < 5; n++) yield n;
    return 'all';
  }
}

interface Story {
  readonly name: string;
  /** Commits of each side that it has at least. */
  readonly least: number;
  /** Asks; resolves with the id when the request is durable. */
  readonly ask: (agent: Agent) => Promise<string>;
  /** Reads the end; throws what it ended with. */
  readonly read: (agent: Agent, id: string) => Promise<unknown>;
}

const STORIES: readonly Story[] = [
  {
    name: 'a request',
    least: 3,
    ask: async (agent) => (await agent.call('bob', 'x')).id,
    read: async (agent, id) => (await agent.callById(id)).answer(),
  },
  {
    name: 'a request with a key',
    least: 3,
    ask: async (agent) => (await agent.call('bob', 'x', { key: 'k' })).id,
    read: async (agent, id) => (await agent.callById(id)).answer(),
  },
  {
    name: 'a stream',
    least: 3,
    ask: (agent) => agent.stream('bob', 'x').id,
    read: async (agent, id) => {
      const stream = agent.streamById(id);
      const items: unknown[] = [];
      for (;;) {
        const position = await stream.position;
        const step = await stream.next();
        if (step.done === true) return { items: items.length, result: await stream.result };
        expect(step.value).toBe(position);
        items[position] = step.value;
      }
    },
  },
];

const ENDS: Readonly<Record<string, unknown>> = {
  'a request': { step: expect.any(Number) },
  'a request with a key': { step: expect.any(Number) },
  'a stream': { items: 5, result: 'all' },
};

/** Two agents that know each other; bob serves. */
async function begin(evidence: Evidence) {
  const world = await World.create();
  const both = await acquainted(world);
  evidence.serve(both.bob.agent);
  return { world, ...both };
}

/** What the first process of the caller has come to know. */
class Asked {
  id: string | null = null;
  end: unknown = undefined;

  constructor(story: Story, agent: Agent) {
    const ask = async (): Promise<void> => {
      this.id = await story.ask(agent);
      this.end = await story.read(agent, this.id);
    };
    // A process that dies is told nothing.
    ask().catch(() => undefined);
  }
}

/** One side dies at a point, and starts again; false if the point was never reached. */
async function killAt(story: Story, point: Point): Promise<boolean> {
  const evidence = new Evidence();
  const { world, ...begun } = await begin(evidence);
  let { alice, bob } = begun;
  await using _ = world;
  const victim = point.who === 'caller' ? alice : bob;
  const isReached = at(victim, point, () => die(victim));
  const asked = new Asked(story, alice.agent);
  await world.advance(10_000);
  const isDead = isReached();
  calm(victim);
  if (isDead) {
    await world.close(victim);
    calm(victim);
    const again = await world.agentWithoutHandler(victim.name, {}, victim);
    if (victim === alice) alice = again;
    else {
      bob = again;
      evidence.serve(bob.agent);
    }
  }
  await settle(world);
  await checkEnd(world, story, { alice, bob, evidence, asked });
  return isDead;
}

interface Found {
  readonly alice: Resident;
  readonly bob: Resident;
  readonly evidence: Evidence;
  readonly asked: Asked;
}

async function checkEnd(world: World, story: Story, found: Found): Promise<void> {
  const { alice, bob, evidence, asked } = found;
  const kept = [...(await alice.store.rows()).keys()].filter((key) => key.startsWith('call/'));
  const [id = null] = kept.map((key) => key.slice('call/'.length));
  if (id !== null) {
    expect([null, id]).toContain(asked.id);
    const end = await world.finish(story.read(alice.agent, id));
    expect(end).toEqual(ENDS[story.name]);
    // The answer is that of the step that was kept.
    const { step } = end as { step?: number };
    if (step !== undefined) expect(step).toBe(evidence.steps.length);
    // Read before, it is the same.
    expect([undefined, end]).toContainEqual(asked.end);
  } else if (asked.id === null) {
    // It died before the request was durable: nothing was asked.
    expect(evidence.runs).toEqual([]);
  } else expect(asked.end).toEqual(ENDS[story.name]);
  expect(new Set(evidence.runs).size).toBeLessThanOrEqual(1);
  expect(evidence.runs.length).toBeLessThanOrEqual(2);
  await settle(world);
  expect(await leftOf(alice, bob)).toEqual([]);
  expect(alice.events.orphanReply).toEqual([]);
  expect([...alice.events.refused, ...bob.events.refused]).toEqual([]);
  expect([...alice.events.gap, ...bob.events.gap]).toEqual([]);
}

describe.each(STORIES)('$name', (story) => {
  test.each(POINTS)('ends once when the $who dies $when any of its commits', async (side) => {
    const points = await everyPoint(side, (point) => killAt(story, point));
    expect(points).toBeGreaterThanOrEqual(story.least);
  });
});

test('a callee whose store is lost knows no request: DEADLINE', async () => {
  await using world = await World.create();
  const alice = await world.agentWithoutHandler('alice');
  const bob = await world.agentWithoutHandler('bob');
  bob.agent.onRequest(() => new Promise(() => {}));
  const call = await world.finish(alice.agent.call('bob', 'x', { timeout: '10m' }));
  // Until the caller knows that it has come: it keeps what is not acknowledged, and says it again.
  await world.advance(120_000);
  const again = await world.loseStore(bob);
  let runs = 0;
  again.agent.onRequest(() => void (runs += 1));
  await expect(world.finish(call.answer())).rejects.toMatchObject({ code: 'DEADLINE' });
  expect(runs).toBe(0);
  await settle(world);
  expect(await leftOf(alice)).toEqual([]);
});
