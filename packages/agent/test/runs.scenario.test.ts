/**
 * Runs of one store that follow each other after ends that were not clean: what is missing of one
 * is found and filled, whichever of its messages comes first.
 */
import { expect, test } from '@jest/globals';
import { equalBytes, parseMessage, toHex } from '@agentmesh/crypto';
import type { OutgoingEnvelope } from '@agentmesh/protocol';
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

test('a late message of an earlier run, to an identity that was followed, does not bring that run back', async () => {
  await using world = await World.create();
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  const former = bob.keyPair.identity.aid;
  const held: OutgoingEnvelope[] = [];
  world.hub.deviations.send = (envelope, by) => {
    if (by !== 'alice' || !equalBytes(envelope.to, former)) return [envelope];
    held.push(envelope);
    return [];
  };
  await world.finish(alice.agent.send('bob', 'late'));
  await world.finish(bob.agent.send('alice', 'in a session of the former bob'));
  await world.finish(bob.agent.rotateIdentity(world.keys()));
  await world.finish(bob.agent.send('alice', 'in a session of bob'));
  await world.advance(60_000);
  const [late] = held;
  if (late === undefined) throw new TypeError('nothing is late');
  await world.kill(alice);
  alice.store.beforeCommit = null;
  const again = await world.agent('alice', {}, alice);
  await world.finish(again.agent.send('bob', 'in a session of the next run'));
  await world.advance(60_000);
  world.hub.deviations.send = (envelope, by) => (by === 'alice' ? [late, envelope] : [envelope]);
  await world.finish(again.agent.send('bob', 'with the late one'));
  await world.advance(60_000);
  world.hub.deviations = {};
  const sentBy = (name: string): string => {
    const last = world.hub.passed.sent.findLast(({ by }) => by === name)?.envelope.blob;
    return last === undefined ? 'nothing' : toHex(parseMessage(last).sid);
  };
  await world.finish(bob.agent.send('alice', 'and back'));
  await world.rest();
  const ofBob = sentBy('bob');
  await world.finish(again.agent.send('bob', 'last'));
  expect(bob.texts).toContain('late');
  expect(ofBob).toBe(sentBy('alice'));
});
