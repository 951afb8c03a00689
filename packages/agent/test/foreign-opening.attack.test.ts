/**
 * A hub that has proved its key and names an opening that this store does not know (protocol.md
 * §2.11 P6): a store that went back in time looks the same. Whichever it is, nothing that is
 * durable here is lost, and nothing arrives twice.
 */
import { describe, expect, test } from '@jest/globals';
import { MaliciousHub } from '@agentmesh/hub-compliance';
import { KeyLedger } from './key-ledger.js';
import { World } from './world.js';
import type { Resident } from './world.js';

/** Alice and bob, who have heard of each other. */
async function acquainted(world: World) {
  const [alice, bob] = [await world.agent('alice'), await world.agent('bob')];
  await world.finish(alice.agent.send('bob', 'first'));
  await world.finish(bob.agent.send('alice', 'hello'));
  await world.advance(60_000);
  return { alice, bob };
}

/** From now on the hub names an opening of alice's store that never was, or of another store. */
function lie(world: World, isOfSameStore: boolean): { count: number } {
  const lies = { count: 0 };
  world.hub.deviations.session = (session, by) => {
    if (by !== 'alice') return session;
    lies.count += 1;
    const lastInstance = new Uint8Array(16).fill(lies.count);
    if (isOfSameStore) lastInstance.set((session.lastInstance ?? lastInstance).subarray(0, 8));
    return { ...session, lastInstance, lastBoot: 1_000_000 + lies.count };
  };
  return lies;
}

async function cameBack(world: World): Promise<void> {
  await world.network.comeBack(world.local);
  await world.advance(60_000);
}

describe('T-A52 foreign-opening of a copy', () => {
  test('that was in use meanwhile: what both have said arrives, each once', async () => {
    await using world = await World.create(7);
    const { alice, bob } = await acquainted(world);
    await world.close(alice);
    const copy = await alice.store.copy(new KeyLedger());
    const first = await world.agent('alice', {}, alice);
    await world.finish(first.agent.send('bob', 'of the first'));
    world.network.goDown();
    await world.rest();
    const sent = ['1', '2'].map((text) => first.agent.send('bob', `offline ${text}`));
    await world.rest();
    // The copy uses the same numbers and positions, beside the first that is offline.
    const { keyPair } = alice;
    const beside = new MaliciousHub(world.local);
    const second = await world.agent('alice', { hub: beside }, { keyPair, store: copy });
    for (const n of [1, 2, 3]) await world.finish(second.agent.send('bob', `of the copy ${n}`));
    await world.close(second);
    await cameBack(world);
    const results = await Promise.all(sent);
    await Promise.all(results.map(({ delivered }) => delivered));
    await world.advance(120_000);
    expect(bob.texts.toSorted()).toEqual([
      'first',
      'of the copy 1',
      'of the copy 2',
      'of the copy 3',
      'of the first',
      'offline 1',
      'offline 2',
    ]);
    expect(first.events.storeRollback).toHaveLength(1);
    const wire = new KeyLedger();
    const passed = [world.hub, beside].flatMap(({ passed: { sent: each } }) => each);
    for (const { envelope } of passed) wire.record(envelope.blob);
  });
});

describe.each([
  ['of this store', true],
  ['of another store', false],
])('T-A52 foreign-opening %s', (_, isOfSameStore) => {
  test('drops no message that waits: each arrives once, in order, and is told of', async () => {
    await using world = await World.create(3);
    const { alice, bob } = await acquainted(world);
    world.network.goDown();
    await world.rest();
    const early = alice.agent.send('bob', 'of the run before').catch(() => undefined);
    await world.rest();
    await world.close(alice);
    await early;
    const again = await world.agent('alice', {}, alice);
    const texts = ['1', '2', '3'];
    const sent = texts.map((text) => again.agent.send('bob', text));
    await world.rest();
    lie(world, isOfSameStore);
    await cameBack(world);
    const results = await Promise.all(sent);
    await Promise.all(results.flatMap(({ delivered, handled }) => [delivered, handled]));
    expect(bob.texts).toEqual(['first', 'of the run before', ...texts]);
    expect(again.events.storeRollback).toHaveLength(1);
    expect(again.events.outgoing.filter(({ state }) => state === 'rejected')).toEqual([]);
    expect([bob.events.cloneOrRollback, bob.events.refused]).toEqual([[], []]);
    expect((await again.agent.status()).outbox).toBe(0);
  });

  test('however often it is said, while messages go both ways', async () => {
    await using world = await World.create(4);
    const { alice, bob } = await acquainted(world);
    const lies = lie(world, isOfSameStore);
    const expected = ['first'];
    for (let round = 0; round < 5; round++) {
      world.network.goDown();
      await world.rest();
      const sent = alice.agent.send('bob', `from alice ${round}`);
      const back = bob.agent.send('alice', `from bob ${round}`);
      expected.push(`from alice ${round}`);
      await world.rest();
      await cameBack(world);
      await Promise.all([sent, back]);
    }
    expect(lies.count).toBeGreaterThanOrEqual(5);
    expect(bob.texts).toEqual(expected);
    expect(alice.texts).toEqual(['hello', ...[0, 1, 2, 3, 4].map((n) => `from bob ${n}`)]);
    expect(bob.events.cloneOrRollback).toEqual([]);
  });

  test('loses nothing where the agent is killed before it has said it anew', async () => {
    await using world = await World.create(5);
    const { alice, bob } = await acquainted(world);
    world.network.goDown();
    await world.close(alice);
    const offline = await world.agent('alice', {}, alice);
    const sent = ['1', '2'].map((text) => offline.agent.send('bob', text).catch(() => undefined));
    await world.rest();
    lie(world, isOfSameStore);
    const killed = killedWith(offline, (keys) => keys.includes('meta'));
    await world.network.comeBack(world.local);
    await world.advance(10_000);
    await killed;
    await world.close(offline);
    await Promise.all(sent);
    offline.store.beforeCommit = null;
    delete world.hub.deviations.session;
    const again = await world.agent('alice', {}, offline);
    await world.advance(60_000);
    expect(bob.texts).toEqual(['first', '1', '2']);
    expect((await again.agent.status()).outbox).toBe(0);
    expect(bob.events.cloneOrRollback).toEqual([]);
  });

  test('takes no key by which somebody may begin a session, however often it is said', async () => {
    await using world = await World.create(8);
    const { alice } = await acquainted(world);
    const signed = async (): Promise<string[]> =>
      [...(await alice.store.rows()).keys()].filter((key) => key.startsWith('prekey/signed/'));
    const before = await signed();
    lie(world, isOfSameStore);
    for (let round = 0; round < 40; round++) {
      world.network.goDown();
      await world.rest();
      await world.network.comeBack(world.local);
      await world.advance(2_000);
    }
    const after = await signed();
    expect(before.length).toBeGreaterThan(0);
    expect(after).toEqual(expect.arrayContaining(before));
    expect(after.length).toBeLessThanOrEqual(32);
  });

  test('keeps what the hub had accepted and lost before', async () => {
    await using world = await World.create(6);
    const { alice, bob } = await acquainted(world);
    world.hub.deviations.send = () => [];
    await world.finish(alice.agent.send('bob', 'accepted and dropped'));
    delete world.hub.deviations.send;
    lie(world, isOfSameStore);
    world.network.goDown();
    await world.rest();
    await cameBack(world);
    await world.finish(alice.agent.send('bob', 'later'));
    await world.advance(120_000);
    expect(bob.texts.toSorted()).toEqual(['accepted and dropped', 'first', 'later']);
  });
});

/** Lets the commit that is asked for through, and nothing after it; resolves with it. */
function killedWith(
  resident: Resident,
  isLast: (keys: readonly string[]) => boolean,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let isOver = false;
  resident.store.beforeCommit = (operations) => {
    if (isOver) throw new TypeError('killed');
    const keys = operations.map((one) => ('put' in one ? one.put : one.delete));
    if (!isLast(keys)) return;
    isOver = true;
    resolve();
  };
  return promise;
}
