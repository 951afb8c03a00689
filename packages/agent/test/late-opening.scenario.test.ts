/**
 * A first message of a session that comes when the session has long been answered in: it was sealed
 * before its sender had heard anything of ours there, so what it acknowledges are the numbers of a
 * store that we have lost (protocol.md §2.10). Nobody is told of a receipt that nobody gave.
 */
import { expect, test } from '@jest/globals';
import type { OutgoingEnvelope } from '@agentmesh/protocol';
import { World } from './world.js';

test('a late first message acknowledges nothing of the store that came after the one it means', async () => {
  await using world = await World.create();
  let alice = await world.agent('alice');
  let bob = await world.agent('bob');
  for (let n = 0; n < 10; n++) await world.finish(alice.agent.send('bob', `${n}`));
  await world.finish(bob.agent.send('alice', 'hello'));
  await world.rest();
  // Both begin anew: bob a session, alice her numbers.
  alice = await world.loseStore(alice);
  await world.kill(bob);
  bob.store.beforeCommit = null;
  bob = await world.finish(world.agent('bob', {}, bob));
  const late: OutgoingEnvelope[] = [];
  world.hub.deviations.send = (envelope, by) => {
    if (by !== 'bob') return [envelope];
    late.push(envelope);
    return [];
  };
  await world.finish(bob.agent.send('alice', 'late'));
  delete world.hub.deviations.send;
  await world.finish(bob.agent.send('alice', 'in time'));
  // It waits for what is missing before it, and then does not.
  await world.advance(30_000);
  expect(alice.texts).toContain('in time');
  // An answer, and one to it: both speak in this session now.
  await world.finish(alice.agent.send('bob', 'of the new store'));
  await world.finish(bob.agent.send('alice', 'heard'));
  await world.advance(1_000);
  expect(alice.texts).toContain('heard');
  // Bob gets none of these.
  world.hub.deviations.send = (envelope, by) => (by === 'alice' ? [] : [envelope]);
  const sent = [];
  for (let n = 0; n < 20; n++) {
    sent.push(await world.finish(alice.agent.send('bob', 'not yet')));
  }
  const [envelope] = late;
  if (envelope === undefined) throw new Error('bob began no session');
  const from = bob.keyPair.identity.aid;
  world.hub.inject('alice', { envelope: { ...envelope, from, ts: world.host.clock() } });
  await world.advance(1_000);
  expect(alice.texts.toSorted()).toEqual(['heard', 'in time', 'late']);
  const ids = new Set(sent.map(({ id }) => id));
  const told = alice.events.outgoing.filter(
    ({ id, state }) => ids.has(id) && state === 'delivered',
  );
  expect(told).toEqual([]);
});
