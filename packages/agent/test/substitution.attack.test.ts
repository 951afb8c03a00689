/**
 * A hub that substitutes keys (tests.md, T-K): refused before a byte is sent, or shown for what it
 * is. Every test counts what the agents handed to the hub.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { randomRuns } from '@agentmesh/hub-compliance';
import type { Bundle } from '@agentmesh/crypto';
import { decodeBundle } from '@agentmesh/protocol';
import { bundleOf, envelopeTo, flipped, Forger, hubIdOfBundle } from './forger.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const DAY_MS = 86_400_000;
const { seed, numRuns } = randomRuns(150);

/** The code of the refusal; fails if there was none. */
async function codeOf(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => 'accepted',
    (error: { code?: string }) => error.code ?? String(error),
  );
}

async function placeOf(world: World, name: string) {
  const hubId = hubIdOfBundle(decodeBundle(await world.local.getBundle(name)));
  return { name, hubId, nowMs: world.host.clock() };
}

function bytesSentBy(world: World, name: string): number {
  const own = world.hub.passed.sent.filter(({ by }) => by === name);
  return own.reduce((sum, { envelope }) => sum + envelope.blob.length, 0);
}

/** Serves a bundle of other keys for this name from now on. */
function substitute(world: World, name: string): ReturnType<World['keys']> {
  const keys = world.keys();
  world.hub.deviations.bundle = (bundle, { peer }) =>
    peer === name
      ? bundleOf(keys, { name, hubId: hubIdOfBundle(bundle), nowMs: world.host.clock() })
      : bundle;
  return keys;
}

describe('a hub that swaps keys', () => {
  test('T-K1 swap-dh-key-only: another exchange key in the record is refused', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    await world.agent('bob');
    const { dh } = world.keys().identity;
    world.hub.deviations.bundle = (bundle) => {
      const record = bundle.record.slice();
      record.set(dh, 5 + 1 + 'bob'.length + 32 + 32);
      return { ...bundle, record };
    };
    expect(await codeOf(world.finish(alice.agent.send('bob', 'secret')))).toBe('BAD_RECORD');
    expect(bytesSentBy(world, 'alice')).toBe(0);
    expect(await alice.agent.peers()).toEqual([]);
  });

  test(`any bit of any served key changed: nothing is sent (${seed}, ${numRuns})`, async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    const before = await alice.store.rows();
    const { name, hubId, nowMs } = await placeOf(world, 'bob');
    const genuine = bundleOf(world.keys(), { name, hubId, nowMs });
    const part = fc.constantFrom('record', 'signed', 'oneTime');
    await fc.assert(
      fc.asyncProperty(part, fc.nat(), async (which, bit) => {
        const bytes = genuine[which as keyof Bundle] ?? new Uint8Array();
        world.hub.deviations.bundle = () => ({ ...genuine, [which]: flipped(bytes, bit) });
        const code = await codeOf(world.finish(alice.agent.send('bob', 'secret')));
        expect(['BAD_RECORD', 'BAD_KEY']).toContain(code);
        expect(bytesSentBy(world, 'alice')).toBe(0);
      }),
      { seed, numRuns },
    );
    expect(await alice.store.rows()).toEqual(before);
    world.hub.deviations = {};
    await world.finish(alice.agent.send('bob', 'hello'));
    await world.rest();
    expect(bob.texts).toEqual(['hello']);
  }, 60_000);

  test('T-K2 swap-all-keys-known-peer: blocked both ways, told once, until decided', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(alice.agent.send('bob', 'before'));
    await outliveSession(world);
    const sent = bytesSentBy(world, 'alice');
    const mallory = substitute(world, 'bob');
    for (let i = 0; i < 3; i++) {
      expect(await codeOf(world.finish(alice.agent.send('bob', 'secret')))).toBe(
        'IDENTITY_CHANGED',
      );
    }
    expect(bytesSentBy(world, 'alice')).toBe(sent);
    expect(alice.events.identityChanged).toEqual([
      { peer: 'bob', pinned: bob.agent.fingerprint, shown: mallory.fingerprint },
    ]);
    await world.finish(bob.agent.send('alice', 'are you there?'));
    await world.rest();
    expect(alice.texts).toEqual([]);
    world.hub.deviations = {};
    await alice.agent.trust('bob', bob.agent.fingerprint);
    await world.advance(70_000);
    expect(alice.texts).toEqual(['are you there?']);
    await world.finish(alice.agent.send('bob', 'after'));
    await world.rest();
    expect(bob.texts).toEqual(['before', 'after']);
  });

  test('T-K2 the new identity can be trusted instead, and is verified then', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    await world.agent('bob');
    await world.finish(alice.agent.send('bob', 'before'));
    await outliveSession(world);
    const mallory = substitute(world, 'bob');
    await codeOf(world.finish(alice.agent.send('bob', 'secret')));
    expect(await codeOf(alice.agent.trust('bob', alice.agent.fingerprint))).toBe('BAD_FINGERPRINT');
    await world.finish(alice.agent.trust('bob', mallory.fingerprint));
    expect(await alice.agent.peers()).toMatchObject([
      { name: 'bob', fingerprint: mallory.fingerprint, trust: 'verified', contested: false },
    ]);
  });

  test('T-K3 swap-on-first-contact: accepted as that with tofu, else refused', async () => {
    await using world = await World.create();
    const trusting = await world.agent('trusting');
    const strict = await world.agent('strict', { trust: 'strict' });
    const bob = await world.agent('bob');
    const mallory = substitute(world, 'bob');
    world.hub.deviations.bundle = swapForEveryName(world, mallory);
    const byFingerprint = `bob#${bob.agent.fingerprint}`;
    expect(await codeOf(world.finish(strict.agent.send('bob', 'x')))).toBe('UNTRUSTED_PEER');
    for (const { agent } of [strict, trusting]) {
      expect(await codeOf(world.finish(agent.send(byFingerprint, 'x')))).toBe('BAD_FINGERPRINT');
      expect(await codeOf(world.finish(agent.send(bob.agent.address, 'x')))).toBe(
        'BAD_FINGERPRINT',
      );
    }
    expect(world.hub.passed.sent).toEqual([]);
    await world.finish(trusting.agent.connect('bob'));
    expect(trusting.events.firstContact).toMatchObject([{ fingerprint: mallory.fingerprint }]);
    expect(await trusting.agent.peers()).toMatchObject([{ trust: 'first-contact' }]);
  });

  test('T-K5 foreign-name: the record of bob does not pass as charlie', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    await world.agent('bob');
    await world.agent('charlie');
    const bobs = await world.local.getBundle('bob');
    world.hub.deviations.bundle = () => decodeBundle(bobs);
    expect(await codeOf(world.finish(alice.agent.send('charlie', 'x')))).toBe('BAD_RECORD');
    expect(world.hub.passed.sent).toEqual([]);
  });

  test('T-K8 old-record: an earlier revision than one seen is refused', async () => {
    await using world = await World.create();
    const { alice, old } = await knowingNewer(world, 31 * DAY_MS);
    world.hub.deviations.bundle = (bundle) => ({ ...bundle, record: old.record });
    const sent = bytesSentBy(world, 'alice');
    expect(await codeOf(world.finish(alice.agent.send('bob', 'x')))).toBe('ROLLED_BACK');
    expect(bytesSentBy(world, 'alice')).toBe(sent);
  });

  test('T-K8 old-SPK: an older signed prekey than one seen, or an expired one, fails', async () => {
    await using world = await World.create();
    const { alice, old } = await knowingNewer(world, 3 * DAY_MS);
    world.hub.deviations.bundle = ({ record }) => ({ record, signed: old.signed });
    expect(await codeOf(world.finish(alice.agent.send('bob', 'x')))).toBe('ROLLED_BACK');
    const carol = await world.agent('carol');
    expect(await codeOf(world.finish(carol.agent.send('bob', 'x')))).toBe('EXPIRED');
    expect(bytesSentBy(world, 'carol')).toBe(0);
  });
});

/** Eight days in which bob is not heard: alice's session with him is over. */
async function outliveSession(world: World): Promise<void> {
  world.hub.deviations.send = (envelope, by) => (by === 'bob' ? [] : [envelope]);
  await world.jump(8 * DAY_MS);
  delete world.hub.deviations.send;
}

function swapForEveryName(world: World, keys: ReturnType<World['keys']>) {
  return (bundle: Bundle): Bundle =>
    bundleOf(keys, { name: 'bob', hubId: hubIdOfBundle(bundle), nowMs: world.host.clock() });
}

/** Alice has seen what bob published after `laterMs`; he never answered, so she needs a session. */
async function knowingNewer(
  world: World,
  laterMs: number,
): Promise<{ alice: Resident; old: Bundle }> {
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  const old = decodeBundle(await world.local.getBundle('bob'));
  await world.jump(laterMs);
  // A session that bob never answers is not gone on with once it is old.
  await world.close(bob);
  await world.finish(alice.agent.send('bob', 'hello'));
  await outliveSession(world);
  return { alice, old };
}

describe('a sender who claims what is not his', () => {
  test('T-K6 misaddressed: a message for another name is refused', async () => {
    await using world = await World.create();
    const { bob, forger, inject } = await withForger(world);
    const sentAtMs = world.host.clock();
    await inject(forger.say({ fromName: 'mallory', toName: 'carol', sentAtMs }));
    expect(bob.events.refused).toMatchObject([{ code: 'MISADDRESSED' }]);
    expect(bob.texts).toEqual([]);
    expect(await bob.agent.peers()).toEqual([]);
  });

  test('T-K6b claimed-name: a stranger who claims the name of another gets no pin', async () => {
    await using world = await World.create();
    const { bob, forger, inject } = await withForger(world);
    await world.agent('carol');
    const sentAtMs = world.host.clock();
    await inject(forger.say({ fromName: 'carol', toName: 'bob', sentAtMs }));
    await inject(forger.say({ fromName: 'nobody', toName: 'bob', sentAtMs }));
    expect(bob.events.refused.map(({ code }) => code)).toEqual(['NAME_CONFLICT', 'NAME_CONFLICT']);
    expect(bob.texts).toEqual([]);
    expect(await bob.agent.peers()).toEqual([]);
    await inject(forger.say({ fromName: 'mallory', toName: 'bob', sentAtMs }));
    // It waits a moment for the two that were refused before it.
    await world.advance(4_000);
    expect(bob.texts).toEqual(['forged']);
  });

  test('T-K7 surreptitious-forward: what alice signed for bob is void for carol', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    const carol = await world.agent('carol');
    await world.finish(alice.agent.send('bob', 'for bob alone'));
    await world.rest();
    const wire = world.hub.passed.sent[0]?.envelope.blob ?? new Uint8Array();
    // The hub or bob hands the very message on, as alice's and as bob's.
    for (const from of [alice, bob]) {
      world.hub.inject('carol', envelopeTo(carol, from.keyPair.identity.aid, wire));
      await world.rest();
    }
    // Bob seals the content that alice signed, in a session of his own with carol.
    const carols = decodeBundle(await world.local.getBundle('carol'));
    const forger = new Forger(bob.keyPair, carols, world.host.clock());
    const forwarded = forger.say({ fromName: 'alice', toName: 'carol', sentAtMs: 1 });
    world.hub.inject('carol', envelopeTo(carol, forger.aid, forwarded));
    await world.rest();
    expect(carol.texts).toEqual([]);
    expect(carol.events.undecryptable.map(({ code }) => code)).toEqual(['UNKNOWN_PREKEY']);
    expect(carol.events.refused.map(({ code }) => code)).toEqual([
      'SENDER_MISMATCH',
      'NAME_CONFLICT',
    ]);
  });
});

/** Bob, and mallory, who is registered like anybody but makes her messages by hand. */
async function withForger(world: World) {
  const bob = await world.agent('bob');
  const mallory = await world.agent('mallory');
  const bobs = decodeBundle(await world.local.getBundle('bob'));
  const forger = new Forger(mallory.keyPair, bobs, world.host.clock());
  const inject = async (blob: Uint8Array): Promise<void> => {
    world.hub.inject('bob', envelopeTo(bob, forger.aid, blob));
    await world.rest();
  };
  return { bob, mallory, forger, inject };
}
