/**
 * The messages of one sender are handled in the order in which they were sent; what comes late all
 * the same says so. One story per test.
 */
import { describe, expect, test } from '@jest/globals';
import { World } from './world.js';
import type { Resident } from './world.js';

const marked = ({ messages }: Resident): string[] =>
  messages.map(({ text, late }) => (late ? `${text} late` : text));

type Held = Parameters<NonNullable<World['hub']['deviations']['deliver']>>[0];

/** Sends to Bob what the hub keeps for now; gives what it is to deliver later. */
async function sentAndHeld(world: World, alice: Resident, text: string): Promise<Held[]> {
  const held: Held[] = [];
  world.hub.deviations = {
    deliver: (delivery, to) => {
      if (to !== 'bob') return [delivery];
      held.push(delivery);
      return [];
    },
  };
  await world.finish(alice.agent.send('bob', text));
  await world.rest();
  world.hub.deviations = {};
  return held;
}

describe('a message that is handled after a later one', () => {
  test('is marked: it was missing for longer than the others wait', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(alice.agent.send('bob', '1'));
    await world.rest();
    for (const text of ['2', '3', '4']) {
      world.hub.deviations = text === '2' ? { send: () => [] } : {};
      await world.finish(alice.agent.send('bob', text));
    }
    // What it is asked for again is lost once more: those behind it are not held up for longer.
    world.hub.deviations = { send: (envelope, by) => (by === 'alice' ? [] : [envelope]) };
    await world.advance(5_000);
    world.hub.deviations = {};
    await world.advance(60_000);
    expect(marked(bob)).toEqual(['1', '3', '4', '2 late']);
    await world.finish(alice.agent.send('bob', '5'));
    await world.rest();
    expect(marked(bob).at(-1)).toBe('5');
  });

  test('is marked by a run that has not handled the later one itself', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const first = await world.agent('bob');
    await world.finish(alice.agent.send('bob', '1'));
    await world.rest();
    world.hub.deviations = { send: () => [] };
    await world.finish(alice.agent.send('bob', '2'));
    world.hub.deviations = {};
    await world.finish(alice.agent.send('bob', '3'));
    // Long enough to be handled without the one before it, too short to have that one again.
    await world.advance(1_500);
    await world.close(first);
    expect(marked(first)).toEqual(['1', '3']);
    const second = await world.agent('bob', {}, first);
    await world.advance(120_000);
    expect(marked(second)).toEqual(['2 late']);
  });

  test('is marked by such a run even where one that follows both came first', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const first = await world.agent('bob');
    await world.finish(alice.agent.send('bob', '1'));
    await world.rest();
    world.hub.deviations = { send: () => [] };
    await world.finish(alice.agent.send('bob', '2'));
    world.hub.deviations = {};
    await world.finish(alice.agent.send('bob', '3'));
    await world.advance(1_500);
    await world.close(first);
    expect(marked(first)).toEqual(['1', '3']);
    // It waits at the hub, and comes before the one that has to be asked for.
    await world.finish(alice.agent.send('bob', '4'));
    const second = await world.agent('bob', {}, first);
    await world.advance(120_000);
    expect(marked(second)).toEqual(['2 late', '4']);
  });

  test('is not marked where it only waited for those before it', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(alice.agent.send('bob', '1'));
    await world.rest();
    const held: Held[] = [];
    world.hub.deviations = {
      deliver: (delivery, to) => {
        if (to !== 'bob' || held.length > 0) return [delivery];
        held.push(delivery);
        return [];
      },
    };
    for (const text of ['2', '3']) await world.finish(alice.agent.send('bob', text));
    await world.rest();
    world.hub.deviations = {};
    const [second] = held;
    if (second !== undefined) world.hub.inject('bob', second);
    await world.advance(60_000);
    expect(marked(bob)).toEqual(['1', '2', '3']);
  });
});

describe('across a change of identity', () => {
  test('what was sent before and comes after is marked', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(alice.agent.send('bob', 'before'));
    await world.rest();
    const late = await sentAndHeld(world, alice, 'in transit');
    await world.finish(alice.agent.rotateIdentity(world.keys()));
    await world.finish(alice.agent.send('bob', 'after'));
    await world.rest();
    expect(marked(bob)).toEqual(['before', 'after']);
    for (const delivery of late) world.hub.inject('bob', delivery);
    await world.advance(60_000);
    expect(marked(bob)).toEqual(['before', 'after', 'in transit late']);
  });

  test('of the recipient, what came to the identity before it is marked, what follows is not', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    for (const text of ['1', '2', '3']) await world.finish(alice.agent.send('bob', text));
    await world.rest();
    const late = await sentAndHeld(world, alice, 'to the one before');
    await world.finish(bob.agent.rotateIdentity(world.keys()));
    await world.finish(alice.agent.connect('bob'));
    await world.advance(5_000);
    for (const text of ['4', '5']) await world.finish(alice.agent.send('bob', text));
    await world.advance(5_000);
    for (const delivery of late) world.hub.inject('bob', delivery);
    await world.advance(60_000);
    expect(marked(bob)).toEqual(expect.arrayContaining(['1', '2', '3', '4', '5']));
    expect(marked(bob).indexOf('4')).toBeLessThan(marked(bob).indexOf('5'));
  });
});

describe('of a sender that has lost its store', () => {
  test.each([false, true])(
    'what was sent before and comes after is marked (in a later run: %s)',
    async (isLater) => {
      await using world = await World.create();
      const alice = await world.agent('alice');
      const bob = await world.agent('bob');
      await world.finish(alice.agent.send('bob', 'before'));
      await world.rest();
      const held = await sentAndHeld(world, alice, 'in transit');
      const again = await world.loseStore(alice);
      await world.finish(again.agent.send('bob', 'after'));
      await world.advance(5_000);
      expect(marked(bob)).toEqual(['before', 'after']);
      const last = isLater ? await world.restart(bob) : bob;
      for (const delivery of held) world.hub.inject('bob', delivery);
      await world.advance(60_000);
      expect(marked(last).at(-1)).toBe('in transit late');
    },
  );
});

describe('of a sender that was put back to an earlier copy', () => {
  test.each([false, true])(
    'what the lost time said and comes after is marked (in a later run: %s)',
    async (isLater) => {
      await using world = await World.create();
      const alice = await world.agent('alice');
      const bob = await world.agent('bob');
      await world.finish(alice.agent.send('bob', 'before'));
      await world.advance(5_000);
      const copy = await alice.store.snapshot();
      const held = [];
      for (const text of ['m5', 'm6', 'm7']) held.push(...(await sentAndHeld(world, alice, text)));
      await world.kill(alice);
      const { keyPair } = alice;
      const again = await world.agent('alice', {}, { keyPair, store: copy });
      await world.finish(again.agent.send('bob', 'n5'));
      await world.advance(5_000);
      expect(marked(bob)).toEqual(['before', 'n5']);
      const last = isLater ? await world.restart(bob) : bob;
      for (const delivery of held) world.hub.inject('bob', delivery);
      await world.advance(60_000);
      expect(marked(last).slice(-3)).toEqual(['m5 late', 'm6 late', 'm7 late']);
      await world.finish(again.agent.send('bob', 'n6'));
      await world.advance(5_000);
      expect(marked(last).at(-1)).toBe('n6');
    },
  );
});
