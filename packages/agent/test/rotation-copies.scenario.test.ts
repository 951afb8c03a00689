/**
 * A change of identity by an agent whose store was put back to an earlier copy, or by the peer of
 * such an agent, before what could not be read was said again: the former conversations are
 * settled by the present identities.
 */
import { describe, expect, test } from '@jest/globals';
import { say, talkingPair } from './talking-pair.js';
import { World } from './world.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** Bob is about to be put back to a copy that knows nothing of the session that Alice uses. */
async function aboutToLose(seed: number) {
  const { world, alice, bob } = await talkingPair(seed);
  const copy = await bob.store.snapshot();
  const left = await bob.store.snapshot();
  await world.kill(bob);
  const lost = await world.agent('bob', {}, { keyPair: bob.keyPair, store: left });
  await say(world, lost, 'alice', 'b2');
  await say(world, alice, 'bob', 'a2');
  await world.advance(MINUTE);
  await world.kill(lost);
  return { world, alice, bob, copy };
}

describe('T-S14 an identity that changes after its store, or its peer’s, was put back', () => {
  test('the recipient changes before its peer has said again what it could not read', async () => {
    const { world, alice, bob, copy } = await aboutToLose(1);
    await using _ = world;
    const sent = [];
    for (const text of ['a3', 'a4', 'a5']) sent.push(await say(world, alice, 'bob', text));
    world.network.goDown();
    await world.network.comeBack();
    const restored = await world.agent('bob', {}, { keyPair: bob.keyPair, store: copy });
    await world.finish(restored.agent.rotateIdentity(world.keys()));
    await world.advance(MINUTE);
    expect(restored.texts).toEqual(expect.arrayContaining(['a3', 'a4', 'a5']));
    expect(restored.texts).toHaveLength(new Set(restored.texts).size);
    await world.finish(Promise.all(sent.map(({ handled }) => handled)));
  });

  test('the sender changes before it is asked to say it again', async () => {
    const { world, alice, bob, copy } = await aboutToLose(2);
    await using _ = world;
    const sent = [];
    for (const text of ['a3', 'a4', 'a5']) sent.push(await say(world, alice, 'bob', text));
    await world.finish(alice.agent.rotateIdentity(world.keys()));
    const restored = await world.agent('bob', {}, { keyPair: bob.keyPair, store: copy });
    await world.advance(MINUTE);
    await say(world, alice, 'bob', 'a6');
    await world.advance(MINUTE);
    expect(restored.texts).toEqual(expect.arrayContaining(['a3', 'a4', 'a5', 'a6']));
    expect(restored.texts).toHaveLength(new Set(restored.texts).size);
    await world.finish(Promise.all(sent.map(({ handled }) => handled)));
  });

  test('both change, the sender twice, and it is cut off before it has asked', async () => {
    const { world, alice, bob, copy } = await aboutToLose(3);
    await using _ = world;
    const sent = [];
    for (const text of ['a3', 'a4', 'a5']) sent.push(await say(world, alice, 'bob', text));
    const [first, second] = [world.keys(), world.keys()];
    await world.finish(alice.agent.rotateIdentity(first));
    await world.finish(alice.agent.rotateIdentity(second));
    const left = await alice.store.snapshot();
    await world.kill(alice);
    const restored = await world.agent('bob', {}, { keyPair: bob.keyPair, store: copy });
    await world.finish(restored.agent.rotateIdentity(world.keys()));
    const again = await world.agent('alice', {}, { keyPair: second, store: left });
    await world.advance(3 * MINUTE);
    expect(restored.texts).toEqual(['a3', 'a4', 'a5']);
    const told = again.events.outgoing.filter(({ state }) => state === 'handled');
    const ids = sent.map(({ id }) => id);
    expect(told.map(({ id }) => id).filter((id) => ids.includes(id))).toEqual(ids);
  });

  test('what is still on its way comes once, by whichever way comes first', async () => {
    const world = await World.create(4);
    await using _ = world;
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await say(world, alice, 'bob', 'a1');
    await say(world, bob, 'alice', 'b1');
    world.hub.deviations.deliver = (delivery, to) => (to === 'bob' && isHeld ? [] : [delivery]);
    let isHeld = true;
    const sent = await world.finish(alice.agent.send('bob', 'held up'));
    await world.rest();
    isHeld = false;
    await world.finish(alice.agent.rotateIdentity(world.keys()));
    await say(world, alice, 'bob', 'as another');
    await world.advance(MINUTE);
    expect(bob.texts).toEqual(['a1', 'as another', 'held up']);
    expect(bob.messages.at(-1)?.late).toBe(true);
    await world.finish(sent.handled);
    world.network.goDown();
    await world.network.comeBack();
    await world.advance(MINUTE);
    expect(bob.texts).toEqual(['a1', 'as another', 'held up']);
  });
});
