/**
 * First messages that nothing has to be computed for, because the prekeys that they name are gone,
 * cost their sender none of the sessions that it may begin in a minute.
 */
import { expect, test } from '@jest/globals';
import { AGENT_LIMITS } from '../src/ground/limits.js';
import { World } from './world.js';

test('a peer whose first messages cannot be read any more is heard at once when it begins anew', async () => {
  await using world = await World.create();
  const bob = await world.agent('bob');
  const alice = await world.agent('alice');
  await world.close(bob);
  // Each is a first message: nobody answers.
  const count = 3 * AGENT_LIMITS.handshakesPerMinute;
  for (let n = 1; n <= count; n++) await world.finish(alice.agent.send('bob', `lost ${n}`));
  await world.close(alice);
  const again = await world.agent('bob', {}, { keyPair: bob.keyPair });
  await world.advance(2_000);
  expect(again.events.undecryptable).toHaveLength(count);
  const renewed = await world.agent('alice', {}, { keyPair: alice.keyPair });
  await world.finish(renewed.agent.send('bob', 'anew'));
  await world.advance(2_000);
  expect(again.texts).toEqual(['anew']);
});
