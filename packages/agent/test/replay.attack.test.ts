/**
 * Messages that come again, in another place or broken (tests.md, T-H and T-R at the level of
 * agents): delivered once or not at all, and nothing else changes.
 */
import { describe, expect, test } from '@jest/globals';
import type { Bundle } from '@agentmesh/crypto';
import type { Delivery } from '@agentmesh/protocol';
import { usualPrekeys } from './few-prekeys.js';
import { flipped } from './forger.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const DAY_MS = 86_400_000;

/** Puts bytes into an agent's queue once more, as if `from` had sent them. */
async function inject(
  world: World,
  to: Resident,
  { from, blob }: { from: Resident; blob: Uint8Array },
): Promise<void> {
  const envelope = {
    id: new Uint8Array(16).fill(7),
    from: from.keyPair.identity.aid,
    to: to.keyPair.identity.aid,
    ts: world.host.clock(),
    blob,
  };
  world.hub.inject(to.name, { envelope });
  await world.rest();
}

function wires(world: World, by: string): Uint8Array[] {
  return world.hub.passed.sent
    .filter((sent) => sent.by === by)
    .map(({ envelope }) => envelope.blob);
}

async function keysOf(resident: Resident, prefix: string): Promise<string[]> {
  return [...(await resident.store.rows()).keys()].filter((key) => key.startsWith(`${prefix}/`));
}

/** Alice's first message to bob has arrived; its bytes. */
async function firstMessage(world: World): Promise<[Resident, Resident, Uint8Array]> {
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  await world.finish(alice.agent.send('bob', 'once'));
  await world.rest();
  return [alice, bob, wires(world, 'alice')[0] ?? new Uint8Array()];
}

const withoutOneTime = ({ record, signed }: Bundle): Bundle => ({ record, signed });

describe('a recorded first message', () => {
  test('T-H1 replay-initial-with-OPK: a duplicate, also after a restart', async () => {
    await using world = await World.create();
    const [alice, bob, blob] = await firstMessage(world);
    const sessions = await keysOf(bob, 'session');
    await inject(world, bob, { from: alice, blob });
    const again = await world.restart(bob);
    await inject(world, again, { from: alice, blob });
    expect([...bob.events.refused, ...again.events.refused].map(({ code }) => code)).toEqual([
      'DUPLICATE',
      'DUPLICATE',
    ]);
    expect([...bob.texts, ...again.texts]).toEqual(['once']);
    expect(await keysOf(again, 'session')).toEqual(sessions);
    expect(wires(world, 'bob').length).toBeLessThanOrEqual(1);
  });

  test('T-H2 replay-initial-without-OPK: a duplicate, also after a restart', async () => {
    await using world = await World.create();
    world.hub.deviations.bundle = withoutOneTime;
    const [alice, bob, blob] = await firstMessage(world);
    expect(await alice.agent.peers()).toMatchObject([{ session: 'no-one-time' }]);
    await inject(world, bob, { from: alice, blob });
    const again = await world.restart(bob);
    await inject(world, again, { from: alice, blob });
    expect([...bob.texts, ...again.texts]).toEqual(['once']);
    expect(again.events.refused).toMatchObject([{ code: 'DUPLICATE' }]);
    expect(again.events.undecryptable).toEqual([]);
  });

  test.each([true, false])(
    'T-H3 replay-initial-after-session-deleted: a duplicate (one-time prekey: %s)',
    async (oneTime) => {
      await using world = await World.create();
      if (!oneTime) world.hub.deviations.bundle = withoutOneTime;
      const [alice, bob, blob] = await firstMessage(world);
      const [session = ''] = await keysOf(bob, 'session');
      await bob.store.commit([{ delete: session }]);
      await inject(world, bob, { from: alice, blob });
      expect(bob.events.refused).toMatchObject([{ code: 'DUPLICATE' }]);
      expect(bob.events.undecryptable).toEqual([]);
      expect(await keysOf(bob, 'session')).toEqual([]);
      expect(bob.texts).toEqual(['once']);
    },
  );

  test('what was put off until its session was dropped is refused, and not silently', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    const held: Delivery[] = [];
    world.hub.deviations.deliver = (delivery, to) => {
      if (to !== 'bob' || held.push(delivery) < 2) return [delivery];
      return [];
    };
    await world.finish(
      Promise.all([alice.agent.send('bob', 'one'), alice.agent.send('bob', 'two')]),
    );
    await world.rest();
    const [session = ''] = await keysOf(bob, 'session');
    await bob.store.commit([{ delete: session }]);
    world.hub.inject('bob', { ...held[1]!, attempt: 3 });
    await world.rest();
    expect(bob.texts).toEqual(['one']);
    expect(bob.events.refused).toMatchObject([{ code: 'DUPLICATE' }]);
  });

  test('T-H6 opk-double-served: the second initiator recovers with one reset', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const carol = await world.agent('carol');
    const bob = await world.agent('bob');
    let first: Bundle | null = null;
    world.hub.deviations.bundle = (bundle, { peer }) => {
      if (peer !== 'bob') return bundle;
      first ??= bundle;
      return first;
    };
    await world.finish(alice.agent.send('bob', 'from alice'));
    await world.finish(carol.agent.send('bob', 'from carol'));
    await world.advance(5_000);
    expect(bob.texts).toEqual(['from alice', 'from carol']);
    expect(bob.events.undecryptable).toMatchObject([{ code: 'UNKNOWN_PREKEY', reset: true }]);
    const { delivered } = await world.finish(carol.agent.send('bob', 'again'));
    await world.advance(60_000);
    await delivered;
    expect(bob.texts).toEqual(['from alice', 'from carol', 'again']);
  });

  test('T-H7 opk-exhaustion: falls back and says so; who requires one refuses', async () => {
    await using world = await World.create();
    world.hub.deviations.bundle = withoutOneTime;
    const alice = await world.agent('alice');
    const careful = await world.agent('careful', { requireOneTimePrekey: true });
    const bob = await world.agent('bob');
    await world.finish(alice.agent.send('bob', 'fallen back'));
    await world.rest();
    expect(bob.texts).toEqual(['fallen back']);
    expect(await alice.agent.peers()).toMatchObject([{ session: 'no-one-time' }]);
    const refused = world.finish(careful.agent.send('bob', 'never'));
    await expect(refused).rejects.toMatchObject({ code: 'NO_ONE_TIME_PREKEY', retryable: true });
    expect(wires(world, 'careful')).toEqual([]);
    world.hub.deviations = {};
    await world.finish(careful.agent.send('bob', 'now'));
    expect(await careful.agent.peers()).toMatchObject([{ session: 'one-time' }]);
  });

  test('T-H7 opk-exhaustion: what peers take is filled up again before it ends', async () => {
    usualPrekeys();
    await using world = await World.create();
    const bob = await world.agent('bob');
    for (let n = 0; n < 35; n++) {
      const peer = await world.agent(`peer-${n}`, {});
      await world.finish(peer.agent.send('bob', `${n}`));
      await world.close(peer);
      // The hub hands out 30 one-time prekeys of one agent in a minute.
      await world.jump(3_000);
    }
    await world.rest();
    expect(bob.texts).toHaveLength(35);
    const { keyDigest, oneTimePrekeys } = await lastKeys(world, bob);
    expect(keyDigest).not.toBeNull();
    expect(oneTimePrekeys).toBeGreaterThan(20);
  });

  test('T-H8 failed-decrypt-keeps-OPK: a corrupted first message spoils nothing', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    const before = await keysOf(bob, 'prekey');
    world.hub.deviations.send = (envelope) => [
      { ...envelope, id: new Uint8Array(16), blob: flipped(envelope.blob, 8 * 1300) },
      envelope,
    ];
    await world.finish(alice.agent.send('bob', 'genuine'));
    await world.rest();
    expect(bob.events.refused).toMatchObject([{ code: 'BAD_CIPHERTEXT' }]);
    expect(bob.texts).toEqual(['genuine']);
    expect(before.length - (await keysOf(bob, 'prekey')).length).toBe(1);
  });
});

async function lastKeys(world: World, resident: Resident) {
  const again = await world.restart(resident);
  void again;
  let session: { keyDigest: Uint8Array | null; oneTimePrekeys: number } | null = null;
  world.hub.deviations.session = (value) => {
    session = value;
    return value;
  };
  await world.restart(again);
  return session ?? { keyDigest: null, oneTimePrekeys: 0 };
}

describe('a message that comes again', () => {
  test('T-R1 duplicate: same connection, reconnected, restarted, thirty days later', async () => {
    await using world = await World.create();
    const [alice, bob] = await firstMessage(world);
    await world.finish(bob.agent.send('alice', 'answer'));
    await world.finish(alice.agent.send('bob', 'twice'));
    await world.rest();
    const [first, second] = wires(world, 'alice');
    const replay = async (to: Resident): Promise<void> => {
      for (const blob of [first, second]) {
        await inject(world, to, { from: alice, blob: blob ?? new Uint8Array() });
      }
    };
    await replay(bob);
    world.network.goDown();
    await world.network.comeBack();
    await world.rest();
    await replay(bob);
    const again = await world.restart(bob);
    await replay(again);
    await world.jump(30 * DAY_MS);
    await replay(again);
    expect([...bob.texts, ...again.texts]).toEqual(['once', 'twice']);
    const codes = [...bob.events.refused, ...again.events.refused].map(({ code }) => code);
    expect(codes).toHaveLength(8);
    expect(new Set(codes)).toEqual(new Set(['DUPLICATE']));
    expect([...bob.events.undecryptable, ...again.events.undecryptable]).toEqual([]);
  });

  test('T-R1 duplicate: a hub that delivers everything twice is noticed by nobody', async () => {
    await using world = await World.create();
    world.hub.deviations.deliver = (delivery) => [delivery, delivery];
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    for (const text of ['one', 'two', 'three']) {
      await world.finish(alice.agent.send('bob', text));
      await world.finish(bob.agent.send('alice', text));
    }
    await world.rest();
    expect(bob.texts).toEqual(['one', 'two', 'three']);
    expect(alice.texts).toEqual(['one', 'two', 'three']);
  });

  test('T-R8 reflection: what alice sent does not come back to her', async () => {
    await using world = await World.create();
    const [alice, bob, initial] = await firstMessage(world);
    await world.finish(bob.agent.send('alice', 'answer'));
    await world.finish(alice.agent.send('bob', 'later'));
    // Its row in the outbox is deleted a moment later.
    await world.advance(1_000);
    const later = wires(world, 'alice')[1] ?? new Uint8Array();
    const before = await alice.store.rows();
    for (const from of [alice, bob]) {
      await inject(world, alice, { from, blob: initial });
      await inject(world, alice, { from, blob: later });
    }
    expect(alice.events.refused.map(({ code }) => code)).toEqual([
      'SENDER_MISMATCH',
      'SENDER_MISMATCH',
      'SENDER_MISMATCH',
      'BAD_HEADER',
    ]);
    expect(alice.texts).toEqual(['answer']);
    expect(withoutLog(await alice.store.rows())).toEqual(withoutLog(before));
  });

  test('T-R9 cross-session splice: header of one message, body of another', async () => {
    await using world = await World.create();
    const [alice, bob] = await firstMessage(world);
    await world.finish(bob.agent.send('alice', 'answer'));
    await world.finish(alice.agent.send('bob', 'two'));
    await world.finish(alice.agent.send('bob', 'three'));
    await world.rest();
    const [, two = new Uint8Array(), three = new Uint8Array()] = wires(world, 'alice');
    const spliced = two.slice();
    spliced.set(three.subarray(92), 92);
    const carols = three.slice();
    carols.set(two.subarray(20), 20);
    const before = await bob.store.rows();
    await inject(world, bob, { from: alice, blob: spliced });
    await inject(world, bob, { from: alice, blob: carols });
    expect(withoutLog(await bob.store.rows())).toEqual(withoutLog(before));
    expect(bob.texts).toEqual(['once', 'two', 'three']);
  });

  test('T-R9 cross-peer splice: the sid of another peer is refused', async () => {
    await using world = await World.create();
    const [alice, bob] = await firstMessage(world);
    const carol = await world.agent('carol');
    await world.finish(carol.agent.send('bob', 'from carol'));
    await world.finish(bob.agent.send('alice', 'answer'));
    await world.finish(bob.agent.send('carol', 'answer'));
    await world.finish(alice.agent.send('bob', 'of alice'));
    await world.finish(carol.agent.send('bob', 'of carol'));
    await world.rest();
    const ofAlice = wires(world, 'alice')[1] ?? new Uint8Array();
    const ofCarol = wires(world, 'carol')[1] ?? new Uint8Array();
    const mixed = ofAlice.slice();
    mixed.set(ofCarol.subarray(4, 20), 4);
    const before = await bob.store.rows();
    await inject(world, bob, { from: alice, blob: mixed });
    await inject(world, bob, { from: carol, blob: mixed });
    await inject(world, bob, { from: carol, blob: ofAlice });
    expect(bob.events.refused.map(({ code }) => code)).toEqual([
      'SENDER_MISMATCH',
      'BAD_HEADER',
      'SENDER_MISMATCH',
    ]);
    expect(withoutLog(await bob.store.rows())).toEqual(withoutLog(before));
  });
});

/** Rows but for the log of refusals, which is what a refusal may change. */
function withoutLog(rows: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...rows].filter(([key]) => !key.startsWith('security/')));
}
