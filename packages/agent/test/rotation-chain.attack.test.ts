/**
 * T-K9: an identity is followed only over a whole chain of signatures, and never to two places.
 */
import { describe, expect, test } from '@jest/globals';
import { addressOf, createIdentityRecord, parseIdentityRecord, toHex } from '@agentmesh/crypto';
import type { AgentKeyPair, Bundle } from '@agentmesh/crypto';
import { decodeBundle, ProtocolError } from '@agentmesh/protocol';
import { StorageError } from '../src/index.js';
import { bundleOf, envelopeTo, Forger, hubIdOfBundle } from './forger.js';
import { World } from './world.js';
import type { Resident } from './world.js';

/** Alice and bob who have spoken; then bob has changed his identity so many times. */
async function spoken(world: World, changes = 0) {
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  await world.finish(alice.agent.send('bob', 'hello'));
  await world.finish(bob.agent.send('alice', 'hello too'));
  await world.advance(1_000);
  const served = world.hub.passed.served[0];
  if (served === undefined) throw new Error('no bundle was served');
  const { hubId } = parseIdentityRecord(served.bundle.record);
  const chain = Array.from({ length: changes }, () => world.keys());
  for (const keyPair of chain) await world.finish(bob.agent.rotateIdentity(keyPair));
  return { alice, bob, hubId, chain };
}

interface Link {
  readonly keyPair: AgentKeyPair;
  readonly previous: AgentKeyPair;
  readonly signer?: AgentKeyPair;
}

/** The bundle of one link; `signer` signs instead of the identity before. */
function linkOf(world: World, hubId: Uint8Array, { keyPair, previous, signer }: Link): Bundle {
  const nowMs = world.host.clock();
  const times = { createdMs: nowMs, validUntilMs: nowMs + 90 * 86_400_000, revision: 1 };
  const request = { keyPair, name: 'bob', hubId, ...times };
  const record = createIdentityRecord({ ...request, previous: signer ?? previous });
  if (signer === undefined) return { ...bundleOf(keyPair, { name: 'bob', hubId, nowMs }), record };
  // The forger claims the right predecessor and has it signed by somebody else.
  const forged = createIdentityRecord({ ...request, previous }).slice();
  forged.set(record.subarray(-64), forged.length - 64);
  return { ...bundleOf(keyPair, { name: 'bob', hubId, nowMs }), record: forged };
}

/** The hub serves these instead of what it has; under the name it serves the last one. */
function serve(world: World, links: readonly { keyPair: AgentKeyPair; bundle: Bundle }[]): void {
  world.hub.deviations.bundle = (bundle, { peer }) => {
    const asked = links.find(({ keyPair }) => keyPair.address === peer);
    return (peer === 'bob' ? links.at(-1) : asked)?.bundle ?? bundle;
  };
}

/** What alice learns when her session with bob is too old, and she asks for him anew. */
async function askFor(world: World, alice: Resident): Promise<unknown> {
  await world.jump(8 * 86_400_000);
  const answer = alice.agent.connect('bob').catch((error: unknown) => error);
  return world.finish(answer);
}

describe('T-K9 rotation-chain', () => {
  test.each([1, 2, 16])('a chain of %i signed links is followed', async (count) => {
    await using world = await World.create();
    const { alice, chain } = await spoken(world, count);
    const address = chain.at(-1)?.address;
    expect(await askFor(world, alice)).toMatchObject({ name: 'bob', address });
    expect(alice.events.identityRotated).toMatchObject([{ peer: 'bob', address }]);
    expect(alice.events.identityChanged).toEqual([]);
  });

  test('a chain of 17 links is not', async () => {
    await using world = await World.create();
    const { alice } = await spoken(world, 17);
    expect(await askFor(world, alice)).toMatchObject({ code: 'IDENTITY_CHANGED' });
    expect(alice.events.identityRotated).toEqual([]);
    expect(alice.events.identityChanged).toHaveLength(1);
  });

  test('a chain with a missing link is not', async () => {
    await using world = await World.create();
    const { alice, chain } = await spoken(world, 3);
    world.hub.deviations.bundle = (bundle, { peer }) => {
      if (peer === chain[1]?.address) throw new ProtocolError('PEER_NOT_FOUND');
      return bundle;
    };
    expect(await askFor(world, alice)).toMatchObject({ code: 'IDENTITY_CHANGED' });
    expect(alice.events.identityRotated).toEqual([]);
  });

  test.each([0, 1, 2])('a chain whose link %i is signed by a stranger is not', async (at) => {
    await using world = await World.create();
    const { alice, bob, hubId, chain } = await spoken(world, 3);
    const previous = [bob.keyPair, ...chain][at];
    const keyPair = chain[at];
    if (previous === undefined || keyPair === undefined) throw new Error('no such link');
    const bundle = linkOf(world, hubId, { keyPair, previous, signer: world.keys() });
    world.hub.deviations.bundle = (genuine, { peer }) => {
      const isAsked = peer === keyPair.address || (peer === 'bob' && at === 2);
      return isAsked ? bundle : genuine;
    };
    expect(await askFor(world, alice)).toMatchObject({ code: 'IDENTITY_CHANGED' });
    expect(alice.events.identityRotated).toEqual([]);
  });

  test('of two successors the first one seen is followed; the other one blocks, and is told', async () => {
    await using world = await World.create();
    const { alice, bob, hubId } = await spoken(world);
    const [first, second] = [world.keys(), world.keys()].map((keyPair) => {
      return { keyPair, bundle: linkOf(world, hubId, { keyPair, previous: bob.keyPair }) };
    });
    if (first === undefined || second === undefined) throw new Error('no links');
    serve(world, [first]);
    await askFor(world, alice);
    expect(alice.events.identityRotated).toMatchObject([{ address: first.keyPair.address }]);
    serve(world, [second]);
    expect(await askFor(world, alice)).toMatchObject({ code: 'IDENTITY_CHANGED' });
    expect(alice.events.identityRotated).toHaveLength(1);
    expect(alice.events.identityChanged).toMatchObject([{ shown: second.keyPair.fingerprint }]);
  });

  test('a hub that shows the former identity again is refused, and nobody is blocked', async () => {
    await using world = await World.create();
    const { alice, bob, hubId } = await spoken(world, 1);
    await askFor(world, alice);
    expect(alice.events.identityRotated).toHaveLength(1);
    const nowMs = world.host.clock();
    const { keyPair } = bob;
    const times = { createdMs: nowMs, validUntilMs: nowMs + 90 * 86_400_000 };
    // Newer than all that was seen: whoever stole the former keys can sign it.
    const record = { keyPair, name: 'bob', hubId, ...times, revision: 0xffff_ffff };
    const stale = bundleOf(keyPair, { name: 'bob', hubId, nowMs });
    serve(world, [{ keyPair, bundle: { ...stale, record: createIdentityRecord(record) } }]);
    expect(await askFor(world, alice)).toMatchObject({ code: 'ROLLED_BACK' });
    expect(alice.events.identityChanged).toEqual([]);
  });

  test('strict trust follows nobody: it blocks until a person decides', async () => {
    await using world = await World.create();
    const bobKeys = world.keys();
    const allowList = [`bob#${bobKeys.fingerprint}`];
    const alice = await world.agent('alice', { trust: 'strict', allowList });
    const bob = await world.agent('bob', {}, { keyPair: bobKeys });
    await world.finish(alice.agent.send('bob', 'hello'));
    await world.advance(1_000);
    const next = world.keys();
    await world.finish(bob.agent.rotateIdentity(next));
    await world.finish(bob.agent.send('alice', 'as a stranger'));
    await world.advance(1_000);
    expect(alice.events.refused).toMatchObject([{ code: 'UNTRUSTED_PEER' }]);
    expect(await askFor(world, alice)).toMatchObject({ code: 'IDENTITY_CHANGED' });
    expect(alice.events.identityRotated).toEqual([]);
    expect(alice.events.identityChanged).toMatchObject([{ peer: 'bob', shown: next.fingerprint }]);
    expect(alice.texts).toEqual([]);
    await world.finish(alice.agent.trust('bob', next.fingerprint));
    await world.finish(bob.agent.send('alice', 'as bob'));
    // The one before was refused and is missing: it is waited for a moment.
    await world.advance(5_000);
    expect(alice.texts).toEqual(['as bob']);
  });

  test('a thief of former keys does not speak to their owner as himself', async () => {
    await using world = await World.create();
    const { alice, bob } = await spoken(world);
    const next = world.keys();
    await world.finish(alice.agent.rotateIdentity(next));
    const victim = decodeBundle(await world.local.getBundle('alice'));
    const sentAtMs = world.host.clock();
    const thief = new Forger(alice.keyPair, victim, sentAtMs);
    const blob = thief.say({ fromName: 'alice', toName: 'alice', sentAtMs });
    const { envelope } = envelopeTo(alice, thief.aid, blob);
    world.hub.inject('alice', { envelope: { ...envelope, to: next.identity.aid } });
    await world.advance(1_000);
    expect(alice.texts).toEqual(['hello too']);
    expect(alice.events.refused).toMatchObject([{ code: 'SENDER_MISMATCH' }]);
    expect(await alice.agent.peers()).toMatchObject([{ name: bob.name }]);
  });

  test('a thief of former keys begins no session, though a crash came right after the change', async () => {
    await using world = await World.create();
    const { alice, bob, hubId } = await spoken(world);
    const former = `peer/${toHex(bob.keyPair.identity.aid)}`;
    let isFollowed = false;
    alice.store.beforeCommit = (operations) => {
      const puts = operations.flatMap((each) => ('put' in each ? [each.put] : []));
      if (isFollowed && puts.includes(former)) throw new StorageError('STORE_FAILED', 'the test');
      isFollowed ||= puts.includes('name/bob');
    };
    await world.finish(bob.agent.rotateIdentity(world.keys()));
    await world.finish(bob.agent.send('alice', 'as the next one'));
    await world.advance(1_000);
    expect(alice.events.stopped).toHaveLength(1);
    await world.close(alice);
    const store = await alice.store.copy();
    const again = await world.agent('alice', {}, { keyPair: alice.keyPair, store });
    await world.rest();
    const victim = decodeBundle(await world.local.getBundle('alice'));
    const sentAtMs = world.host.clock();
    expect(hubIdOfBundle(victim)).toEqual(hubId);
    const thief = new Forger(bob.keyPair, victim, sentAtMs, 9);
    const blob = thief.say({ fromName: 'bob', toName: 'alice', sentAtMs });
    world.hub.inject('alice', envelopeTo(again, thief.aid, blob));
    await world.advance(1_000);
    expect(again.texts).not.toContain('forged');
    expect(again.events.refused).toMatchObject([{ code: 'SUCCEEDED' }]);
  });

  test('a message to the former identity is not taken for one to the present', async () => {
    await using world = await World.create();
    const { alice, bob } = await spoken(world);
    const next = world.keys();
    await world.finish(alice.agent.rotateIdentity(next));
    // The hub changes the address: the number would count in the other conversation.
    world.hub.deviations.deliver = (delivery, to) => {
      const envelope = { ...delivery.envelope, to: next.identity.aid };
      return [to === 'alice' ? { ...delivery, envelope } : delivery];
    };
    await world.finish(bob.agent.send('alice', 'to the former'));
    await world.advance(1_000);
    expect(alice.texts).toEqual(['hello too']);
    expect(alice.events.refused).toMatchObject([{ code: 'SENDER_MISMATCH' }]);
  });

  test('acknowledgements of numbers of one identity are none of the other one’s', async () => {
    await using world = await World.create();
    const { alice, bob } = await spoken(world);
    world.hub.deviations.send = (envelope, by) => (by === 'alice' ? [] : [envelope]);
    const lost = await world.finish(alice.agent.send('bob', 'lost on its way'));
    let isDelivered = false;
    void lost.delivered.then(
      () => (isDelivered = true),
      () => {},
    );
    world.hub.deviations = {};
    await world.finish(alice.agent.rotateIdentity(world.keys()));
    for (let n = 0; n < 5; n++) await world.finish(alice.agent.send('bob', `after ${n}`));
    await world.finish(bob.agent.send('alice', 'has them'));
    await world.advance(1_000);
    expect(bob.texts).toHaveLength(6);
    expect(alice.texts.at(-1)).toBe('has them');
    expect(isDelivered).toBe(false);
  });

  test('a successor is not verified because the one before was', async () => {
    await using world = await World.create();
    const { alice, bob } = await spoken(world);
    await alice.agent.trust('bob', bob.agent.fingerprint);
    await world.finish(bob.agent.rotateIdentity(world.keys()));
    await world.finish(bob.agent.send('alice', 'as the next one'));
    await world.advance(1_000);
    expect(alice.messages.at(-1)).toMatchObject({ text: 'as the next one', trust: 'pinned' });
  });

  test('nobody is followed while a person has to decide about the name', async () => {
    await using world = await World.create();
    const { alice, bob, hubId } = await spoken(world);
    const mallory = world.keys();
    const bundle = bundleOf(mallory, { name: 'bob', hubId, nowMs: world.host.clock() });
    serve(world, [{ keyPair: mallory, bundle }]);
    expect(await askFor(world, alice)).toMatchObject({ code: 'IDENTITY_CHANGED' });
    world.hub.deviations = {};
    await world.finish(bob.agent.rotateIdentity(world.keys()));
    await world.finish(bob.agent.send('alice', 'as the next one'));
    await world.advance(1_000);
    expect(alice.events.identityRotated).toEqual([]);
    expect(alice.texts).toEqual(['hello too']);
  });

  test('nothing is said to a former identity any more, not even what it is owed', async () => {
    await using world = await World.create();
    const alice = await world.agentWithoutHandler('alice');
    const bob = await world.agent('bob');
    await world.finish(bob.agent.send('alice', 'unread'));
    await world.finish(bob.agent.rotateIdentity(world.keys()));
    await world.finish(bob.agent.send('alice', 'as the next one'));
    await world.advance(1_000);
    expect(alice.events.identityRotated).toHaveLength(1);
    const { length } = world.hub.passed.sent;
    alice.agent.onMessage(() => {});
    await world.advance(10_000);
    const said = world.hub.passed.sent.slice(length).filter(({ by }) => by === 'alice');
    const addresses = new Set(said.map(({ envelope }) => addressOf(envelope.to)));
    expect(addresses).toEqual(new Set([bob.agent.address]));
  });
});
