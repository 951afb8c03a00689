/**
 * Two agents that answer each other with nobody else (docs/requests.md): what hops cannot show is
 * counted, told and held, until somebody looks.
 */
import { describe, expect, test } from '@jest/globals';
import { AGENT_LIMITS } from '../src/ground/limits.js';
import type { AgentOptions } from '../src/index.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const { loopMessages, loopMs } = AGENT_LIMITS;

/**
 * Two programs that queue what comes and answer later, out of any handler: nothing shows what led
 * to what, and `auto: true` is all that they say.
 */
async function chatterers(world: World, options: AgentOptions = {}) {
  const alice = await world.agentWithoutHandler('alice', options);
  const bob = await world.agentWithoutHandler('bob', options);
  for (const each of [alice, bob]) chatter(world, each);
  return { alice, bob };
}

interface Spoken {
  readonly codes: string[];
}

const spoken = new WeakMap<Resident, Spoken>();

function chatter(world: World, each: Resident): void {
  const codes: string[] = [];
  spoken.set(each, { codes });
  each.agent.onMessage((message) => {
    each.texts.push(message.text);
    const to = message.sender;
    // A timer of the world belongs to no handler.
    queue(world, () =>
      each.agent.send(to, 'thank you', { auto: true }).catch((error: { code: string }) => {
        codes.push(error.code);
      }),
    );
  });
}

/** Runs a task a little later, from nowhere. */
const queues = new WeakMap<World, (() => unknown)[]>();
function queue(world: World, task: () => unknown): void {
  const tasks = queues.get(world) ?? [];
  queues.set(world, tasks);
  tasks.push(task);
}

/** Lets the programs go on for so many turns. */
async function turns(world: World, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    for (const task of queues.get(world)?.splice(0) ?? []) task();
    await world.rest();
    await world.advance(200);
  }
}

const all = ({ alice, bob }: { alice: Resident; bob: Resident }): number =>
  alice.texts.length + bob.texts.length;

describe('two programs that thank each other', () => {
  test('are told of and held after 20 automatic messages within a minute', async () => {
    await using world = await World.create();
    const { alice, bob } = await chatterers(world);
    await world.finish(alice.agent.send('bob', 'hello'));
    await turns(world, 60);
    const count = all({ alice, bob });
    expect(count).toBeGreaterThanOrEqual(loopMessages - 1);
    expect(count).toBeLessThanOrEqual(loopMessages + 2);
    const told = { messages: loopMessages, withinMs: loopMs };
    const suspected = [...alice.events.loopSuspected, ...bob.events.loopSuspected];
    expect(suspected.length).toBeGreaterThanOrEqual(1);
    for (const event of suspected) expect(event).toMatchObject(told);
    await turns(world, 60);
    await world.advance(10 * loopMs);
    expect(all({ alice, bob })).toBe(count);
  });

  test.each([
    [
      'releaseLoop',
      async (...both: Resident[]) => {
        for (const { agent, name } of both) {
          await agent.releaseLoop(name === 'alice' ? 'bob' : 'alice');
        }
      },
    ],
    ['a person who writes', async ({ agent }: Resident) => void (await agent.send('bob', 'stop!'))],
    [
      'a request',
      async ({ agent }: Resident) =>
        void (await agent.call('bob', 'what is it?', { timeout: '1m' })),
    ],
  ])('go on after %s, with nothing lost', async (_how, release) => {
    await using world = await World.create();
    const { alice, bob } = await chatterers(world);
    await world.finish(alice.agent.send('bob', 'hello'));
    await turns(world, 60);
    const count = all({ alice, bob });
    await world.finish(release(alice, bob));
    await turns(world, 10);
    // Whoever was refused said nothing; what waited is handled now.
    await world.finish(alice.agent.send('bob', 'once more', { auto: true }));
    await turns(world, 5);
    expect(all({ alice, bob })).toBeGreaterThan(count);
    for (const { agent } of [alice, bob]) expect(await agent.deadLetters()).toEqual([]);
  });

  test('stay held over a restart, which tells of it again', async () => {
    await using world = await World.create();
    const { alice, bob } = await chatterers(world);
    await world.finish(alice.agent.send('bob', 'hello'));
    await turns(world, 60);
    const held = alice.events.loopSuspected.length > 0 ? alice : bob;
    const other = held === alice ? 'bob' : 'alice';
    await world.close(held);
    const again = await world.agentWithoutHandler(held.name, {}, held);
    await world.rest();
    expect(again.events.loopSuspected).toMatchObject([{ peer: other }]);
    await expect(again.agent.send(other, 'thanks', { auto: true })).rejects.toMatchObject({
      code: 'PAIR_HELD',
      retryable: true,
    });
    await again.agent.releaseLoop(other);
    await world.finish(again.agent.send(other, 'thanks', { auto: true }));
    await world.close(again);
    const third = await world.agentWithoutHandler(held.name, {}, again);
    await world.rest();
    expect(third.events.loopSuspected).toEqual([]);
  });

  test("with onLoop 'tell' are told of and go on", async () => {
    await using world = await World.create();
    const { alice, bob } = await chatterers(world, { onLoop: 'tell' });
    await world.finish(alice.agent.send('bob', 'hello'));
    await turns(world, 100);
    expect(all({ alice, bob })).toBeGreaterThan(2 * loopMessages);
    expect(alice.events.loopSuspected.length).toBeGreaterThanOrEqual(1);
  });
});

describe('a message that was held', () => {
  test('waits in the inbox: what a person writes or asks goes on, and lets it through in its order', async () => {
    await using world = await World.create();
    const alice = await world.agentWithoutHandler('alice', { onLoop: 'tell' });
    const bob = await world.agent('bob');
    const answer = () => bob.agent.send('alice', 'ok', { auto: true });
    for (let n = 0; n < loopMessages / 2; n++) {
      await world.finish(alice.agent.send('bob', `auto ${n}`, { auto: true }));
      await world.advance(100);
      // The last one is beyond what may be said.
      await world.finish(answer().catch(() => undefined));
    }
    await world.advance(1_000);
    expect(bob.events.loopSuspected).toHaveLength(1);
    await world.finish(alice.agent.send('bob', 'held', { auto: true }));
    await world.advance(10_000);
    expect(bob.texts).not.toContain('held');
    expect((await bob.agent.status()).inbox).toBe(1);
    await world.finish(alice.agent.send('bob', 'from a person'));
    await world.advance(5_000);
    expect(bob.texts.slice(-2)).toEqual(['held', 'from a person']);
    await world.finish(answer());
  });

  test('while its handler runs is handled again after the release, and its attempt does not count', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice', { onLoop: 'tell' });
    const bob = await world.agentWithoutHandler('bob');
    const attempts: string[] = [];
    bob.agent.use(({ attempt, message }, next) => {
      attempts.push(`${message.text} ${attempt}`);
      return next();
    });
    bob.agent.onMessage(async ({ sender }) => void (await bob.agent.send(sender, 'ok')));
    for (let n = 0; n < loopMessages / 2; n++) {
      await world.finish(alice.agent.send('bob', `${n}`, { auto: true }));
      await world.advance(100);
    }
    await world.advance(60_000);
    expect(bob.events.loopSuspected).toHaveLength(1);
    const last = `${loopMessages / 2 - 1}`;
    expect(attempts.filter((text) => text.startsWith(last))).toEqual([`${last} 1`]);
    expect(bob.events.handlerError).toEqual([]);
    await bob.agent.releaseLoop('alice');
    await world.advance(5_000);
    expect(attempts.filter((text) => text.startsWith(last))).toEqual([`${last} 1`, `${last} 1`]);
    expect(alice.texts).toHaveLength(loopMessages / 2);
    expect((await bob.agent.status()).inbox).toBe(0);
  });
});

describe('no loop is', () => {
  const suspected = ({ alice, bob }: { alice: Resident; bob: Resident }) => [
    ...alice.events.loopSuspected,
    ...bob.events.loopSuspected,
  ];

  test('many automatic messages that nobody answers', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    for (let n = 0; n < 3 * loopMessages; n++) {
      await world.finish(alice.agent.send('bob', 'news', { auto: true }));
    }
    await world.advance(5_000);
    expect(bob.texts).toHaveLength(3 * loopMessages);
    expect(suspected({ alice, bob })).toEqual([]);
  });

  test('what a person writes and a program answers, however often', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agentWithoutHandler('bob');
    bob.agent.onMessage(async (message) => void (await message.reply('ok')));
    for (let n = 0; n < 2 * loopMessages; n++) {
      await world.finish(alice.agent.send('bob', 'and this?'));
      await world.advance(200);
    }
    expect(alice.texts).toHaveLength(2 * loopMessages);
    expect(suspected({ alice, bob })).toEqual([]);
  });

  test('what others began, and one passes on to the other, who answers', async () => {
    await using world = await World.create();
    const alice = await world.agentWithoutHandler('alice');
    const bob = await world.agent('bob');
    const carol = await world.agentWithoutHandler('carol');
    alice.agent.onMessage(async (message) => void (await message.reply('thank you')));
    bob.agent.onMessage(async ({ sender }) => {
      if (sender === 'carol') await bob.agent.send('alice', 'carol says');
    });
    for (let n = 0; n < loopMessages; n++) {
      await world.finish(carol.agent.send('bob', 'news'));
      await world.advance(200);
    }
    await world.advance(5_000);
    expect(bob.texts).toHaveLength(2 * loopMessages);
    expect(suspected({ alice, bob })).toEqual([]);
  });

  test('the same number over a longer time', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    for (let n = 0; n < loopMessages; n++) {
      await world.finish(alice.agent.send('bob', 'tick', { auto: true }));
      await world.finish(bob.agent.send('alice', 'tock', { auto: true }));
      await world.advance(loopMs / 5);
    }
    expect(suspected({ alice, bob })).toEqual([]);
  });
});

test.each([['never'], [true], [null]])('onLoop %p is BAD_OPTION', async (onLoop) => {
  await using world = await World.create();
  await expect(world.agent('bob', { onLoop: onLoop as never })).rejects.toMatchObject({
    code: 'BAD_OPTION',
  });
});

test('releaseLoop of a peer that is not known is UNKNOWN_PEER', async () => {
  await using world = await World.create();
  const bob = await world.agent('bob');
  await expect(bob.agent.releaseLoop('nobody')).rejects.toMatchObject({ code: 'UNKNOWN_PEER' });
});
