/**
 * Stores of the version before, in which the rows of a peer and of a session held everything: they
 * go on, remember the same, and become current peer by peer, whole or not at all.
 */
import { expect, test } from '@jest/globals';
import { envelopeTo, Forger } from './forger.js';
import { makeFormer } from './former-rows.js';
import { World } from './world.js';
import type { Resident } from './world.js';

interface Told {
  readonly world: World;
  readonly bob: Resident;
  /** A message of alice under a number that was missing when the store was closed. */
  readonly late: Uint8Array;
  /** Another message under a number that was taken. */
  readonly other: () => Uint8Array;
  readonly forger: Forger;
}

/** Bob has heard some of what alice said; his closed store is then of the version before. */
async function told(world: World): Promise<Told> {
  const bob = await world.agent('bob');
  const alice = await world.agent('alice');
  await world.finish(alice.agent.connect('bob'));
  const bundle = world.hub.passed.served.at(-1)?.bundle;
  if (bundle === undefined) throw new TypeError('nothing was served');
  const forger = new Forger(alice.keyPair, bundle, world.host.clock(), 9);
  const names = { fromName: 'alice', toName: 'bob', sentAtMs: world.host.clock() };
  const say = (convSeq?: number) =>
    forger.say(convSeq === undefined ? names : { ...names, convSeq });
  const wires = Array.from({ length: 70 }, () => say());
  const late = wires[40] ?? new Uint8Array();
  for (const wire of wires.filter((each) => each !== late)) {
    world.hub.inject('bob', envelopeTo(bob, forger.aid, wire));
  }
  await world.advance(60_000);
  await world.close(alice);
  await world.close(bob);
  await bob.store.open();
  await makeFormer(bob.store);
  await bob.store.close();
  return { world, bob, late, other: () => say(50), forger };
}

const kinds = async ({ store }: Resident): Promise<string[]> => {
  const keys = [...(await store.rows()).keys()].map((key) => key.split('/')[0] ?? '');
  return ['heard', 'skipped'].filter((kind) => keys.includes(kind));
};

test('what was missing still opens, what was taken is still known, and rows become current', async () => {
  await using world = await World.create();
  const { bob, late, other, forger } = await told(world);
  const again = await world.agent('bob', {}, bob);
  expect(await kinds(again)).toEqual([]);
  const before = again.messages.length;
  world.hub.inject('bob', envelopeTo(again, forger.aid, late));
  await world.advance(10_000);
  expect(again.messages).toHaveLength(before + 1);
  expect(await kinds(again)).toEqual(['heard']);
  world.hub.inject('bob', envelopeTo(again, forger.aid, late));
  world.hub.inject('bob', envelopeTo(again, forger.aid, other()));
  await world.advance(10_000);
  expect(again.messages).toHaveLength(before + 1);
  expect(again.events.cloneOrRollback).toMatchObject([{ peer: 'alice' }]);
});

test('a kill at any commit leaves the old rows or the new ones, and loses no message', async () => {
  for (let at = 1; at <= 4; at++) {
    await using world = await World.create();
    const { bob, late, other, forger } = await told(world);
    const first = await world.agent('bob', {}, bob);
    let left = at;
    first.store.beforeCommit = () => {
      left -= 1;
      if (left <= 0) throw new TypeError('killed');
    };
    world.hub.inject('bob', envelopeTo(first, forger.aid, late));
    await world.advance(10_000);
    await world.close(first);
    first.store.beforeCommit = null;
    const again = await world.agent('bob', {}, first);
    world.hub.inject('bob', envelopeTo(again, forger.aid, late));
    world.hub.inject('bob', envelopeTo(again, forger.aid, other()));
    await world.advance(10_000);
    const texts = new Set([...first.messages, ...again.messages].map(({ id }) => id));
    expect(texts.size).toBe(1);
    expect(again.events.cloneOrRollback).toMatchObject([{ peer: 'alice' }]);
  }
});
