/**
 * T-A80 others-past: a peer speaks of conversations that are not its own (protocol.md §2.13). It is
 * told nothing of them, and gives nobody a message that another one has said.
 */
import { expect, test } from '@jest/globals';
import { CONTENT_KIND } from '@agentmesh/crypto';
import { encodeFormerWord, encodeSaidBefore } from '../src/conversation/former-talk.js';
import { envelopeTo, forgerTo } from './forger.js';
import { World } from './world.js';

const text = new TextEncoder();

async function threeWith(world: World) {
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  const mallory = await world.agentWithoutHandler('mallory');
  await world.finish(bob.agent.send('alice', 'of bob'));
  await world.finish(mallory.agent.send('alice', 'hello'));
  await world.advance(40_000);
  const forger = forgerTo(world, mallory, 'alice');
  const sentAtMs = world.host.clock();
  const say = async (kind: number, body: Uint8Array): Promise<void> => {
    const wire = forger.say({ kind, body, fromName: 'mallory', toName: 'alice', sentAtMs });
    world.hub.inject('alice', envelopeTo(alice, forger.aid, wire));
    await world.advance(5_000);
  };
  const to = alice.keyPair.identity.aid;
  const saidBy = (name: string): number =>
    world.hub.passed.sent.filter(({ by }) => by === name).length;
  return { alice, bob, forger, say, to, saidBy };
}

test('T-A80 others-past: of what another peer has said nothing is told', async () => {
  await using world = await World.create();
  const { alice, bob, forger, say, to, saidBy } = await threeWith(world);
  const places = [{ convSeq: 1, instance: new Uint8Array(16), msgId: new Uint8Array(16) }];
  await say(CONTENT_KIND.application, text.encode('{"text":"begins"}'));
  await world.advance(40_000);
  const before = saidBy('alice');
  const speaker = bob.keyPair.identity.aid;
  await say(CONTENT_KIND.formerTalk, encodeFormerWord({ what: 'asks', speaker, to, places }));
  const ids = { had: [new Uint8Array(16)], lacks: [] };
  await say(CONTENT_KIND.formerTalk, encodeFormerWord({ what: 'answers', speaker, to, ...ids }));
  expect(saidBy('alice')).toBe(before);
  const own = { what: 'asks' as const, speaker: forger.aid, to, places };
  await say(CONTENT_KIND.formerTalk, encodeFormerWord(own));
  expect(saidBy('alice')).toBe(before + 1);
  expect(alice.events.refused).toEqual([]);
});

test('T-A80 others-past: nothing is said in the name of another peer', async () => {
  await using world = await World.create();
  const { alice, bob, say, to } = await threeWith(world);
  const said = {
    kind: CONTENT_KIND.application,
    convSeq: 9,
    instance: new Uint8Array(16),
    boot: 1,
    sentAtMs: world.host.clock(),
    body: text.encode('{"text":"in the name of bob"}'),
  };
  const speaker = bob.keyPair.identity.aid;
  await say(CONTENT_KIND.saidBefore, encodeSaidBefore({ speaker, to, said }));
  expect(alice.texts).toEqual(['of bob', 'hello']);
  expect(alice.events.refused.map(({ code }) => code)).toEqual(['BAD_CONTENT']);
});
