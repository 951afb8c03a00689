/**
 * What a later version sends (protocol.md §2.6): kinds and outcome states that this one does not
 * know. None of them keeps a conversation from going on.
 */
import { expect, test } from '@jest/globals';
import { CONTENT_KIND, equalBytes } from '@agentmesh/crypto';
import { decodePeer } from '../src/conversation/peer.js';
import { ROW } from '../src/store/row-keys.js';
import { envelopeTo, forgerTo } from './forger.js';
import { World } from './world.js';
import type { Resident } from './world.js';

/** A peer of alice that says what it likes, and the last of its numbers that she acknowledged. */
async function laterVersion(world: World, alice: Resident) {
  const mallory = await world.agentWithoutHandler('mallory');
  await world.finish(mallory.agent.send('alice', 'hello'));
  await world.rest();
  const sentAtMs = world.host.clock();
  const forger = forgerTo(world, mallory, 'alice');
  const say = (kind: number, body: Uint8Array): void => {
    const names = { fromName: 'mallory', toName: 'alice', sentAtMs };
    const wire = forger.say({ kind, body, ...names });
    world.hub.inject('alice', envelopeTo(alice, forger.aid, wire));
  };
  /** All of these messages up to here have come: what alice tells their sender. */
  const acknowledged = async (): Promise<number> => {
    const row = await alice.store.get(ROW.peer(forger.aid));
    const windows = row === null ? [] : decodePeer(row).windows;
    return windows.find(({ instance }) => equalBytes(instance, forger.instance))?.low ?? 0;
  };
  return { say, mallory, acknowledged };
}

test('unknown kinds from 12 to 127 are taken and skipped, and what follows is received', async () => {
  await using world = await World.create();
  const alice = await world.agent('alice');
  const { say, acknowledged } = await laterVersion(world, alice);
  for (const kind of [12, 64, 127]) say(kind, Uint8Array.of(1, 2, 3));
  say(CONTENT_KIND.application, new TextEncoder().encode('{"text":"after"}'));
  await world.advance(10_000);
  expect(alice.texts).toEqual(['hello', 'after']);
  expect(alice.events.refused).toEqual([]);
  expect(alice.events.gap).toEqual([]);
  expect(await acknowledged()).toBe(4);
});

test('kinds from 129 on are taken, acknowledged and answered as unsupported', async () => {
  await using world = await World.create();
  const alice = await world.agent('alice');
  const { say, mallory, acknowledged } = await laterVersion(world, alice);
  for (const kind of [129, 255]) say(kind, new Uint8Array());
  say(CONTENT_KIND.application, new TextEncoder().encode('{"text":"after"}'));
  await world.advance(10_000);
  expect(alice.texts).toEqual(['hello', 'after']);
  const { outgoing } = mallory.events;
  const states = outgoing.filter(({ peer }) => peer === 'alice').map(({ state }) => state);
  expect(states.filter((state) => state === 'unsupported')).toHaveLength(2);
  expect(alice.events.refused).toEqual([]);
  expect(await acknowledged()).toBe(3);
});

test('an unknown outcome state ends the message as failed, with its number as the reason', async () => {
  await using world = await World.create();
  const alice = await world.agent('alice');
  const { say, mallory } = await laterVersion(world, alice);
  // Only the later version answers.
  await world.close(mallory);
  const sent = await world.finish(alice.agent.send('mallory', 'a task'));
  const msgId = Buffer.from(sent.id, 'hex');
  say(CONTENT_KIND.outcome, Uint8Array.of(1, ...msgId, 99, 0));
  await expect(world.finish(sent.handled)).rejects.toMatchObject({
    code: 'FAILED',
    detail: 'state 99',
  });
});
