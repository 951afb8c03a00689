/**
 * What the simulation found: stories in which something was forgotten, or remembered too long.
 * One story per test.
 */
import { describe, expect, test } from '@jest/globals';
import { parsePrekeyRecord } from '@agentmesh/crypto';
import type { Deviations } from '@agentmesh/hub-compliance';
import { ProtocolError } from '@agentmesh/protocol';
import type { Hub } from '@agentmesh/protocol';
import type { AgentOptions } from '../src/index.js';
import { AGENT_LIMITS } from '../src/ground/limits.js';
import { KeyLedger } from './key-ledger.js';
import { LIES } from './lies.js';
import { TestStore } from './test-store.js';
import { World } from './world.js';
import type { Resident } from './world.js';

test('a store that is older than one that was lost meanwhile is seen as gone back', async () => {
  await using world = await World.create();
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  await world.finish(alice.agent.send('bob', '1'));
  await world.close(alice);
  const backup = await alice.store.copy();
  // This one goes on in the sessions of the backup; then it is lost, and a new one begun.
  const second = await world.agent('alice', {}, alice);
  await world.finish(second.agent.send('bob', '2'));
  const third = await world.loseStore(second);
  await world.finish(third.agent.send('bob', '3'));
  await world.close(third);
  const restored = await world.agent('alice', {}, { keyPair: alice.keyPair, store: backup });
  await world.advance(1_000);
  expect(restored.events.storeRollback).toHaveLength(1);
  // The ledger of this world would see a key that is used twice.
  await world.finish(restored.agent.send('bob', '4'));
  await world.advance(60_000);
  expect(bob.texts).toEqual(['1', '2', '3', '4']);
  const again = await world.restart(restored);
  await world.advance(1_000);
  expect(again.events.storeRollback).toEqual([]);
});

test('a peer that lost its store gets more than one answer holds', async () => {
  await using world = await World.create();
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  await world.finish(alice.agent.send('bob', 'first'));
  await world.close(bob);
  const count = AGENT_LIMITS.retryMessages + 10;
  const sent = Array.from({ length: count }, (_, n) => alice.agent.send('bob', `${n}`));
  await world.finish(Promise.all(sent));
  const again = await world.loseStore(bob);
  await world.advance(30_000);
  expect(again.texts.toSorted()).toEqual(
    Array.from({ length: count }, (_, n) => `${n}`).toSorted(),
  );
});

test('what is missing is asked for by the next run too', async () => {
  await using world = await World.create();
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  await world.finish(alice.agent.send('bob', '1'));
  await world.rest();
  world.hub.deviations.send = () => [];
  await world.finish(alice.agent.send('bob', '2'));
  delete world.hub.deviations.send;
  await world.finish(alice.agent.send('bob', '3'));
  await world.rest();
  const again = await world.restart(bob);
  await world.advance(10_000);
  expect(again.texts).toEqual(['2']);
});

test('a clock that is set back makes nothing wait until it has caught up', async () => {
  await using world = await World.create();
  let aheadMs = 0;
  const setClock = (): AgentOptions => {
    return { runtime: { ...world.runtime(), now: () => world.host.clock() + aheadMs } };
  };
  const alice = await world.agent('alice', setClock());
  const bob = await world.agent('bob', setClock());
  let failures = 1;
  bob.agent.onMessage(() => {
    if (failures-- > 0) throw new RangeError('not yet');
  });
  aheadMs = 3 * 86_400_000;
  await world.finish(alice.agent.send('bob', '1'));
  await world.rest();
  world.hub.deviations.send = () => {
    throw new ProtocolError('STORAGE');
  };
  const sent = alice.agent.send('bob', '2');
  await world.rest();
  delete world.hub.deviations.send;
  aheadMs = 0;
  await world.advance(5_000);
  await world.finish(sent);
  expect(bob.texts).toEqual(['1', '2']);
  // The second handler had the first message twice.
  expect(failures).toBe(-2);
});

test('a restored store is noticed after openings without a hub, too', async () => {
  await using world = await World.create();
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  await world.finish(alice.agent.send('bob', '1'));
  await world.close(alice);
  const backup = await alice.store.copy();
  const second = await world.agent('alice', {}, alice);
  await world.finish(second.agent.send('bob', '2'));
  await world.close(second);
  const { keyPair } = alice;
  const nobody = { connect: () => Promise.reject(new ProtocolError('CONNECTION_LOST')) };
  for (let tries = 0; tries < 3; tries++) {
    await world.close(await world.agent('alice', { hub: nobody }, { keyPair, store: backup }));
  }
  const restored = await world.agent('alice', {}, { keyPair, store: backup });
  await world.finish(restored.agent.send('bob', '3'));
  await world.advance(1_000);
  expect(restored.events.storeRollback).toHaveLength(1);
  expect(bob.texts).toEqual(['1', '2', '3']);
});

test('a store that is restored to before it was ever at a hub is noticed', async () => {
  await using world = await World.create();
  const bob = await world.agent('bob');
  const keyPair = world.keys();
  const nobody = { connect: () => Promise.reject(new ProtocolError('CONNECTION_LOST')) };
  const store = new TestStore(world.ledger);
  const refused = world.agent('alice', { hub: nobody }, { keyPair, store });
  await expect(refused).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  const backup = await store.copy();
  const first = await world.agent('alice', {}, { keyPair, store });
  await world.finish(first.agent.send('bob', '1'));
  await world.close(first);
  const restored = await world.agent('alice', {}, { keyPair, store: backup });
  await world.finish(restored.agent.send('bob', '2'));
  await world.advance(60_000);
  expect(restored.events.storeRollback).toHaveLength(1);
  expect([bob.texts, bob.events.cloneOrRollback]).toEqual([['1', '2'], []]);
});

test('a message that a hub loses is given up after a week, though nothing else is said', async () => {
  await using world = await World.create();
  const alice = await world.agent('alice');
  await world.agent('bob');
  world.hub.deviations.send = () => [];
  const { delivered } = await world.finish(alice.agent.send('bob', 'lost'));
  let fate: unknown = 'open';
  delivered.catch((error: unknown) => void (fate = error));
  await world.jump(6 * 86_400_000);
  expect(fate).toBe('open');
  await world.jump(2 * 86_400_000);
  expect(fate).toMatchObject({ code: 'UNDELIVERED' });
});

test('what a restored store has sealed before it met the hub never leaves, and is said anew', async () => {
  await using world = await World.create();
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  await world.finish(alice.agent.send('bob', '1'));
  await world.finish(bob.agent.send('alice', 'hello'));
  await world.close(alice);
  // What is sealed and never leaves is not in this world's ledger.
  const backup = await alice.store.copy(new KeyLedger());
  const second = await world.agent('alice', {}, alice);
  await world.finish(second.agent.send('bob', '2'));
  await world.close(second);
  let isUp = false;
  const hub: Hub = {
    connect: async (credentials, events) => {
      if (!isUp) throw new ProtocolError('CONNECTION_LOST');
      return world.hub.connect(credentials, events);
    },
  };
  const { keyPair } = alice;
  const restored = await world.agent('alice', { hub }, { keyPair, store: backup });
  const sent = restored.agent.send('bob', 'in an old session');
  await world.advance(1_000);
  isUp = true;
  await world.advance(120_000);
  const { delivered, handled } = await sent;
  await Promise.all([delivered, handled]);
  await world.finish(restored.agent.send('bob', '3'));
  await world.advance(10_000);
  expect(restored.events.storeRollback).toHaveLength(1);
  const wire = new KeyLedger();
  for (const { envelope } of world.hub.passed.sent) wire.record(envelope.blob);
  expect(bob.texts).toEqual(['1', '2', 'in an old session', '3']);
  expect(bob.events.cloneOrRollback).toEqual([]);
});

/**
 * Alice begins a session; bob answers in it, and goes back in time to before that. His answers wait
 * for alice, and her second message, which begins the session too, for bob.
 */
async function sessionOfLostTime(
  world: World,
  deviations: Deviations = {},
): Promise<{ readonly alice: Resident; readonly restore: () => Promise<Resident> }> {
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  await world.close(bob);
  const store = await bob.store.copy();
  const second = await world.agent('bob', {}, bob);
  world.hub.deviations = {
    ...deviations,
    deliver: (delivery, to) => (to === 'alice' ? [] : [delivery]),
  };
  await world.finish(alice.agent.send('bob', '1'));
  await world.advance(60_000);
  world.hub.deviations = { deliver: () => [] };
  await world.finish(alice.agent.send('bob', '2'));
  await world.close(second);
  expect(second.texts).toEqual(['1']);
  world.hub.deviations = {};
  return { alice, restore: () => world.agent('bob', {}, { keyPair: bob.keyPair, store }) };
}

test.each([
  ['with', {}],
  ['without', LIES['bundle: no one-time prekey']()],
])(
  'a session that a lost time has answered is not answered again (%s one-time prekey)',
  async (_, deviations) => {
    await using world = await World.create();
    const { alice, restore } = await sessionOfLostTime(world, deviations);
    const again = await world.restart(alice);
    await world.advance(1_000);
    const restored = await restore();
    await world.advance(60_000);
    expect(restored.events.storeRollback).toHaveLength(1);
    await world.finish(again.agent.send('bob', '3'));
    await world.finish(restored.agent.send('alice', 'hello'));
    await world.advance(60_000);
    expect([restored.texts, again.texts]).toEqual([['2', '3'], ['hello']]);
    expect([restored.events.refused, again.events.refused]).toEqual([[], []]);
  },
);

test('a late answer of a lost time leads nobody back into its session', async () => {
  await using world = await World.create();
  const { alice, restore } = await sessionOfLostTime(world);
  const restored = await restore();
  await world.advance(10_000);
  const again = await world.restart(alice);
  await world.advance(60_000);
  await world.finish(again.agent.send('bob', '3'));
  await world.advance(60_000);
  expect(restored.texts.toSorted()).toEqual(['1', '2', '3']);
  expect(restored.events.undecryptable).toEqual([]);
});

test('a signed prekey made while the clock is set back is not older than the one before', async () => {
  await using world = await World.create();
  const keyPair = world.keys();
  const createdMs: number[] = [];
  world.hub.deviations.putPrekeys = (keys) => {
    const { identity } = keyPair;
    createdMs.push(...keys.signed.map((record) => parsePrekeyRecord(record, identity).createdMs));
    return keys;
  };
  let aheadMs = 3 * 86_400_000;
  const options = (): AgentOptions => {
    return { runtime: { ...world.runtime(), now: () => world.host.clock() + aheadMs } };
  };
  const bob = await world.agent('bob', options(), { keyPair });
  await world.close(bob);
  const store = await bob.store.copy();
  await world.close(await world.agent('bob', options(), bob));
  aheadMs = 0;
  const restored = await world.agent('bob', options(), { keyPair, store });
  await world.advance(1_000);
  expect(restored.events.storeRollback).toHaveLength(1);
  expect(createdMs).toHaveLength(2);
  expect(createdMs[1]).toBeGreaterThan(createdMs[0] ?? Infinity);
});

test('a message that was given up is delivered when it was on its way all the time', async () => {
  await using world = await World.create();
  let aheadMs = 0;
  const now = (): number => world.host.clock() + aheadMs;
  const alice = await world.agent('alice', {
    runtime: { ...world.runtime(), now, steady: now },
  });
  const bob = await world.agent('bob');
  await world.finish(alice.agent.send('bob', '1'));
  await world.rest();
  world.hub.deviations.deliver = (delivery, to) => (to === 'bob' ? [] : [delivery]);
  const { delivered } = await world.finish(alice.agent.send('bob', '2'));
  const fate = delivered.catch((error: unknown) => error);
  delete world.hub.deviations.deliver;
  aheadMs = 8 * 86_400_000;
  await world.finish(alice.agent.send('bob', '3'));
  await world.advance(10_000);
  expect(await fate).toMatchObject({ code: 'UNDELIVERED' });
  const lost = bob.events.gap.filter(({ state }) => state === 'lost');
  expect(lost).toEqual([{ peer: 'alice', state: 'lost', ranges: [{ from: 2, to: 2 }] }]);
  const again = await world.restart(bob);
  await world.advance(10_000);
  const third = await world.restart(again);
  await world.advance(10_000);
  expect([bob.texts, again.texts, third.texts]).toEqual([['1', '3'], ['2'], []]);
});

describe('a message that nobody acknowledges', () => {
  const MINUTE_MS = 60_000;
  const HOUR_MS = 60 * MINUTE_MS;

  const unheard = (who: string): Deviations => ({
    send: (envelope, by) => (by === who ? [] : [envelope]),
  });

  test('is asked about by a nudge, and said again to a store that has lost it', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    world.hub.deviations = unheard('bob');
    const { delivered } = await world.finish(alice.agent.send('bob', '1'));
    await world.advance(MINUTE_MS);
    const again = await world.loseStore(bob);
    world.hub.deviations = {};
    await world.advance(3 * MINUTE_MS);
    expect([bob.texts, again.texts]).toEqual([['1'], []]);
    await world.advance(3 * MINUTE_MS);
    expect(again.texts).toEqual(['1']);
    await world.finish(delivered);
  });

  test('is asked about by the next run, too, and answered with a receipt', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agentWithoutHandler('bob');
    world.hub.deviations = unheard('bob');
    const { id } = await world.finish(alice.agent.send('bob', '1'));
    await world.advance(MINUTE_MS);
    world.hub.deviations = {};
    const again = await world.restart(alice);
    await world.advance(4 * MINUTE_MS);
    expect(again.events.outgoing).toEqual([]);
    await world.advance(3 * MINUTE_MS);
    expect(again.events.outgoing).toMatchObject([{ id, state: 'delivered' }]);
    const rows = await alice.store.rows();
    expect([...rows.keys()].filter((key) => key.startsWith('unacked/'))).toEqual([]);
    expect(bob.messages).toEqual([]);
  });

  test('is given up after a week, and an agent that was restarted since is told', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    await world.agent('bob');
    world.hub.deviations = unheard('alice');
    const { id } = await world.finish(alice.agent.send('bob', '1'));
    const again = await world.restart(alice);
    await world.jump(6 * 24 * HOUR_MS);
    expect(again.events.outgoing).toEqual([]);
    await world.jump(2 * 24 * HOUR_MS);
    expect(again.events.outgoing).toMatchObject([
      { id, peer: 'bob', state: 'expired', reason: 'UNDELIVERED' },
    ]);
  });

  test('is told as rejected, if the hub refuses it for good, to the next run, too', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    await world.agent('bob');
    await world.finish(alice.agent.connect('bob'));
    world.network.goDown();
    alice.agent.send('bob', '1').catch(() => undefined);
    await world.rest();
    await world.close(alice);
    await world.network.comeBack();
    world.hub.deviations = LIES['send: refuses for good']();
    const again = await world.agent('alice', {}, alice);
    await world.advance(1_000);
    expect(again.events.outgoing).toMatchObject([{ peer: 'bob', state: 'rejected' }]);
  });

  test('is asked about six times in the week for which it is kept', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(alice.agent.connect('bob'));
    await world.close(bob);
    const before = world.hub.passed.sent.length;
    await world.finish(alice.agent.send('bob', '1'));
    for (let hours = 0; hours < 14 * 24; hours++) await world.jump(HOUR_MS);
    expect(world.hub.passed.sent.length - before).toBe(1 + 6);
  });
});
