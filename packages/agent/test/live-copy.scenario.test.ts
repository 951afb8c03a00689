/**
 * Copies of a store in use (protocol.md §2.11 P6): what a nightly backup or a volume snapshot
 * makes. Restored, they look like what a killed process leaves; nothing of the time since may be
 * trusted, both sides are told, and both directions work at once. A process that was only killed
 * loses nothing.
 */
import { describe, expect, test } from '@jest/globals';
import { say, talkingPair } from './talking-pair.js';
import { World } from './world.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

const settled = (promise: Promise<void>): Promise<string> =>
  Promise.race([
    promise.then(
      () => 'fulfilled',
      (error: { code: string }) => error.code,
    ),
    new Promise<string>((resolve) => {
      setImmediate(() => resolve('open'));
    }),
  ]);

describe('T-S10 a copy of a store in use, restored after the agent went on', () => {
  test.each(['closed', 'killed'] as const)(
    'is noticed on both sides, and both directions work at once (the original was %s)',
    async (end) => {
      const { world, alice, bob } = await talkingPair(1);
      await using _ = world;
      const copy = await bob.store.snapshot();
      await say(world, bob, 'alice', 'b2');
      await say(world, alice, 'bob', 'a2');
      if (end === 'closed') await world.close(bob);
      else await world.kill(bob);
      const restored = await world.agent('bob', {}, { keyPair: bob.keyPair, store: copy });
      const b3 = await say(world, restored, 'alice', 'b3');
      const a3 = await say(world, alice, 'bob', 'a3');
      await world.advance(5 * SECOND);
      expect(alice.texts).toEqual(['b1', 'b2', 'b3']);
      expect(restored.texts).toEqual(['a3']);
      expect(await settled(b3.handled)).toBe('fulfilled');
      expect(await settled(a3.handled)).toBe('fulfilled');
      expect(restored.events.storeRollback).toHaveLength(1);
      expect(alice.events.peerInstanceChanged).toHaveLength(1);
      expect(alice.events.cloneOrRollback).toEqual([]);
    },
  );

  test('is noticed when its peer writes first', async () => {
    const { world, alice, bob } = await talkingPair(2);
    await using _ = world;
    const copy = await bob.store.snapshot();
    await say(world, bob, 'alice', 'b2');
    await say(world, alice, 'bob', 'a2');
    await world.kill(bob);
    const restored = await world.agent('bob', {}, { keyPair: bob.keyPair, store: copy });
    const a3 = await say(world, alice, 'bob', 'a3');
    const b3 = await say(world, restored, 'alice', 'b3');
    await world.advance(10 * SECOND);
    expect(restored.texts).toContain('a3');
    expect(alice.texts).toEqual(['b1', 'b2', 'b3']);
    expect(await settled(a3.handled)).toBe('fulfilled');
    expect(await settled(b3.handled)).toBe('fulfilled');
    expect(restored.events.storeRollback).toHaveLength(1);
    expect(alice.events.peerInstanceChanged).toHaveLength(1);
  });

  test('tells of no message that it was delivered when only another copy has sent it', async () => {
    const { world, alice, bob } = await talkingPair(3);
    await using _ = world;
    const copies = [await bob.store.snapshot(), await bob.store.snapshot()] as const;
    await world.kill(bob);
    const { keyPair } = bob;
    const one = await world.agent('bob', {}, { keyPair, store: copies[0] });
    const two = await world.agent('bob', {}, { keyPair, store: copies[1] });
    expect(one.events.displaced).toHaveLength(1);
    const fromOne = one.agent.send('alice', 'one').catch((error: { code: string }) => error.code);
    const fromTwo = await say(world, two, 'alice', 'two');
    const more = await say(world, two, 'alice', 'three');
    const a2 = await say(world, alice, 'bob', 'a2');
    await world.advance(MINUTE);
    expect(alice.texts).toEqual(['b1', 'two', 'three']);
    expect(two.texts).toEqual(['a2']);
    expect(await settled(fromTwo.handled)).toBe('fulfilled');
    expect(await settled(more.handled)).toBe('fulfilled');
    expect(await settled(a2.handled)).toBe('fulfilled');
    await world.close(one);
    expect(await fromOne).not.toHaveProperty('delivered');
    expect(alice.events.cloneOrRollback).toEqual([]);
  });
});

describe('T-S10 a copy whose lost time has shown prekeys', () => {
  test('gets what its peer says in a session that was begun with them', async () => {
    const { world, alice, bob } = await talkingPair(6);
    await using _ = world;
    const copy = await bob.store.snapshot();
    // The time that will be lost: a later run of bob's shows other prekeys.
    const left = await bob.store.snapshot();
    await world.kill(bob);
    const lost = await world.agent('bob', {}, { keyPair: bob.keyPair, store: left });
    await world.advance(SECOND);
    world.hub.deviations.deliver = (delivery, to) => (to === 'bob' ? [] : [delivery]);
    // Each run of alice's begins a session of its own, which bob never sees.
    let speaker = alice;
    for (const text of ['a2', 'a3', 'a4']) {
      const store = await speaker.store.snapshot();
      await world.kill(speaker);
      speaker = await world.agent('alice', {}, { keyPair: alice.keyPair, store });
      await say(world, speaker, 'bob', text);
    }
    await world.kill(lost);
    world.hub.deviations = {};
    const restored = await world.agent('bob', {}, { keyPair: bob.keyPair, store: copy });
    await world.advance(5 * SECOND);
    await say(world, speaker, 'bob', 'a5');
    await world.advance(MINUTE);
    expect(restored.texts.toSorted()).toEqual(['a2', 'a3', 'a4', 'a5']);
  });

  test('says so anew, however often it is restored within an hour', async () => {
    const { world, alice, bob } = await talkingPair(7);
    await using _ = world;
    let copy = await bob.store.snapshot();
    let present = bob;
    for (const round of [1, 2, 3]) {
      // In the time that is lost each of them has a session that the copy does not know.
      await say(world, present, 'alice', `b${round}`);
      await say(world, alice, 'bob', `lost ${round}`);
      world.hub.deviations.deliver = (delivery, to) => (to === 'bob' ? [] : [delivery]);
      await say(world, alice, 'bob', `a${round}`);
      await world.kill(present);
      world.hub.deviations = {};
      present = await world.agent('bob', {}, { keyPair: bob.keyPair, store: copy });
      await world.advance(MINUTE);
      expect(present.texts).toContain(`a${round}`);
      copy = await present.store.snapshot();
    }
  });
});

describe('T-S11 an agent that was killed and starts on its own store', () => {
  test('is not taken for one that went back; what it sent before is told of', async () => {
    const { world, alice, bob } = await talkingPair(4);
    await using _ = world;
    await world.close(alice);
    const b2 = await world.finish(bob.agent.send('alice', 'b2'));
    const b3 = await world.finish(bob.agent.send('alice', 'b3'));
    const left = await bob.store.snapshot();
    await world.kill(bob);
    const again = await world.agent('bob', {}, { keyPair: bob.keyPair, store: left });
    const b4 = await say(world, again, 'alice', 'b4');
    const peer = await world.agent('alice', {}, alice);
    await world.advance(5 * SECOND);
    expect(peer.texts).toEqual(['b2', 'b3', 'b4']);
    expect(await settled(b4.handled)).toBe('fulfilled');
    const told = again.events.outgoing.filter(({ state }) => state === 'delivered');
    const ids = told.map(({ id }) => id);
    expect(ids).toEqual(expect.arrayContaining([b2.id, b3.id, b4.id]));
    // A life that was killed may have told of the first one just before: it is told once more.
    expect(new Set(ids).size).toBe(4);
    expect(told).toHaveLength(4);
    expect(again.events.storeRollback).toEqual([]);
    expect(peer.events.peerInstanceChanged).toEqual([]);
    await say(world, peer, 'bob', 'a2');
    expect(again.texts).toEqual(['a2']);
  });

  test('is let in by a peer with strict trust', async () => {
    const world = await World.create(5);
    await using _ = world;
    const bob = await world.agent('bob');
    const strict = await world.agent('alice', { trust: 'strict', acceptFrom: [bob.agent.address] });
    await world.finish(strict.agent.connect(bob.agent.address));
    await say(world, strict, 'bob', 'a1');
    await say(world, bob, 'alice', 'b1');
    const left = await bob.store.snapshot();
    await world.kill(bob);
    const again = await world.agent('bob', {}, { keyPair: bob.keyPair, store: left });
    await say(world, again, 'alice', 'b2');
    expect(strict.texts).toEqual(['b1', 'b2']);
    expect(strict.events.peerInstanceChanged).toEqual([]);
  });

  test('loses no message of the hub and sends what was sealed, however often it is killed', async () => {
    const { world, alice, bob } = await talkingPair(6);
    await using _ = world;
    let from = bob;
    const expected = ['b1'];
    for (let round = 0; round < 6; round++) {
      await world.finish(from.agent.send('alice', `r${round}`));
      expected.push(`r${round}`);
      const left = await from.store.snapshot();
      await world.kill(from);
      from = await world.agent('bob', {}, { keyPair: bob.keyPair, store: left });
      await world.advance(30 * SECOND);
    }
    await world.advance(MINUTE);
    expect(alice.texts).toEqual(expected);
    expect(from.events.storeRollback).toEqual([]);
  });
});
