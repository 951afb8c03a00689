/**
 * A sender that is killed again and again while its messages are lost or late: runs follow each
 * other faster than their numbers arrive. Each message is handled once all the same.
 */
import { describe, expect, test } from '@jest/globals';
import { World } from './world.js';
import type { Resident } from './world.js';

/** Says one thing in each of its lives, of which the hub loses what `isLost` says. */
async function lives(world: World, first: Resident, isLost: readonly boolean[], lastsMs = 0) {
  let alice = first;
  for (const [life, lost] of isLost.entries()) {
    await world.kill(alice);
    alice.store.beforeCommit = null;
    // The hub makes one that comes up too often wait.
    alice = await world.finish(world.agent('alice', {}, alice));
    world.hub.deviations = lost
      ? { send: (envelope, by) => (by === 'alice' ? [] : [envelope]) }
      : {};
    await world.finish(alice.agent.send('bob', `life ${life + 2}`));
    await world.advance(lastsMs);
  }
  world.hub.deviations = {};
  return alice;
}

const texts = (count: number): string[] => Array.from({ length: count }, (_, n) => `life ${n + 1}`);

test.each([
  ['one life of which nothing came', [true, false]],
  ['several', [true, true, true, false]],
  ['more than are remembered', [true, true, true, true, true, true, true, false]],
])('after %s, what came before does not come again', async (_, isLost) => {
  await using world = await World.create();
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  await world.finish(alice.agent.send('bob', 'life 1'));
  await world.finish(bob.agent.send('alice', 'hello'));
  await world.rest();
  await lives(world, alice, isLost);
  for (let minutes = 0; minutes < 10; minutes++) await world.advance(60_000);
  expect(bob.texts.toSorted()).toEqual(texts(isLost.length + 1).toSorted());
  const asked = bob.events.gap.filter(({ state }) => state === 'asked');
  // What had come is not asked for.
  expect(asked.flatMap(({ ranges }) => ranges).every(({ from }) => from > 1)).toBe(true);
});

const PATTERNS: readonly (readonly [string, (life: number) => boolean])[] = [
  ['every other one', (life) => life % 2 === 0],
  ['two of three', (life) => life % 3 !== 2],
  ['none', () => false],
];

/** More than sessions, runs and new sessions of a minute are remembered. */
describe.each([10, 24])('%i lives', (count) => {
  const cases = PATTERNS.flatMap(([what, isLost]) =>
    [0, 1_000, 5_000].map((lastsMs) => [what, lastsMs, isLost] as const),
  );

  test.each(cases)(
    'of which the hub loses what was said in %s, each of %i ms: all of it is handled once',
    async (_, lastsMs, isLost) => {
      await using world = await World.create();
      const alice = await world.agent('alice');
      const bob = await world.agent('bob');
      await world.finish(alice.agent.send('bob', 'life 1'));
      await world.finish(bob.agent.send('alice', 'hello'));
      await world.rest();
      await lives(
        world,
        alice,
        Array.from({ length: count }, (_, n) => n < count - 1 && isLost(n)),
        lastsMs,
      );
      for (let minutes = 0; minutes < 130; minutes++) await world.advance(60_000);
      expect(bob.texts.toSorted()).toEqual(texts(count + 1).toSorted());
      expect(bob.events.cloneOrRollback).toEqual([]);
    },
  );
});
