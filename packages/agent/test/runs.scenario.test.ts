/**
 * Runs of one store that follow each other after ends that were not clean: what is missing of one
 * is found and filled, whichever of its messages comes first.
 */
import { expect, test } from '@jest/globals';
import { AGENT_LIMITS } from '../src/ground/limits.js';
import { World } from './world.js';

test('a run of which only a later message came gets through, however much it had before', async () => {
  await using world = await World.create();
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  await world.finish(alice.agent.send('bob', 'first'));
  // What bob says is lost: all that alice says next he has, and she does not know.
  world.hub.deviations.send = (envelope, by) => (by === 'bob' ? [] : [envelope]);
  const count = AGENT_LIMITS.retryMessages + 10;
  const sent = Array.from({ length: count }, (_, n) => alice.agent.send('bob', `${n}`));
  await world.finish(Promise.all(sent));
  await world.rest();
  await world.kill(alice);
  alice.store.beforeCommit = null;
  const again = await world.agent('alice', {}, alice);
  // Lost with it is from where the new run goes on.
  world.hub.deviations.send = () => [];
  await world.finish(again.agent.send('bob', 'lost'));
  world.hub.deviations.send = (envelope, by) => (by === 'bob' ? [] : [envelope]);
  await world.finish(again.agent.send('bob', 'last'));
  await world.rest();
  world.hub.deviations = {};
  await world.advance(60_000);
  expect(bob.texts).toHaveLength(count + 3);
  expect(bob.texts).toContain('lost');
});
