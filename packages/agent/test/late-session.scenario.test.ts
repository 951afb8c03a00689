/**
 * A first message that comes late: its sender has another store by now (protocol.md §2.9). It is
 * taken, and its store does not become the present one again.
 */
import { expect, test } from '@jest/globals';
import { World } from './world.js';

const WEEK_MS = 7 * 86_400_000;

test('a first message of a store that was lost since makes no store present again', async () => {
  await using world = await World.create(11);
  const [alice, bob] = [await world.agent('alice'), await world.agent('bob')];
  await world.finish(alice.agent.send('bob', 'hello'));
  await world.finish(bob.agent.send('alice', '1'));
  await world.advance(60_000);
  // The next message of bob begins a session.
  await world.jump(WEEK_MS + 60_000);
  await world.advance(60_000);
  world.hub.deviations.deliver = (delivery, to) => (to === 'alice' ? [] : [delivery]);
  await world.finish(bob.agent.send('alice', 'late'));
  await world.rest();
  await world.advance(1_000);
  const again = await world.loseStore(bob);
  world.hub.deviations = {};
  await world.finish(again.agent.send('alice', 'of the new store'));
  await world.advance(1_000);
  expect(alice.texts).toEqual(['1', 'of the new store']);
  // What was not acknowledged is delivered again.
  world.network.goDown();
  await world.rest();
  await world.network.comeBack(world.local);
  await world.advance(60_000);
  expect(alice.texts).toEqual(['1', 'of the new store', 'late']);
  expect(alice.events.peerInstanceChanged).toMatchObject([{ peer: 'bob' }]);
  await world.finish(alice.agent.send('bob', 'answer'));
  await world.finish(again.agent.send('alice', 'more'));
  await world.advance(60_000);
  expect([alice.texts.at(-1), again.texts]).toEqual(['more', ['answer']]);
  expect(alice.events.peerInstanceChanged).toHaveLength(1);
});
