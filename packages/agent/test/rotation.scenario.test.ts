/**
 * An agent changes its identity: the name stays, peers follow, nothing that was on its way is lost.
 */
import { describe, expect, test } from '@jest/globals';
import { equalBytes } from '@agentmesh/crypto';
import type { AgentKeyPair } from '@agentmesh/crypto';
import { World } from './world.js';

describe('a change of identity', () => {
  test('keeps the name; a peer with a session follows with the first message, and says so', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(alice.agent.send('bob', 'before'));
    await world.finish(bob.agent.send('alice', 'back'));
    await world.advance(1_000);
    const { address: previous } = alice.agent;
    const next = world.keys();
    await world.finish(alice.agent.rotateIdentity(next));
    expect(alice.agent.address).toBe(next.address);
    await world.finish(alice.agent.send('bob', 'after'));
    await world.finish(bob.agent.send('alice', 'and back'));
    await world.advance(1_000);
    expect(bob.texts).toEqual(['before', 'after']);
    expect(alice.texts).toEqual(['back', 'and back']);
    const { address, fingerprint } = next;
    expect(bob.events.identityRotated).toEqual([{ peer: 'alice', address, fingerprint, previous }]);
    expect(bob.events.identityChanged).toEqual([]);
    expect(bob.messages.at(-1)).toMatchObject({ address, sender: 'alice', trust: 'pinned' });
    const peers = (await bob.agent.peers()).map((peer) => peer.address);
    expect(new Set(peers)).toEqual(new Set([previous, address]));
  });

  test('what was on its way to the former identity arrives, and its outcome comes back', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(alice.agent.send('bob', 'hello'));
    await world.finish(bob.agent.send('alice', 'hello too'));
    await world.advance(1_000);
    await world.finish(alice.agent.rotateIdentity(world.keys()));
    // Bob has a session with the former identity and has not heard of the change.
    const { handled, delivered } = await world.finish(bob.agent.send('alice', 'to the former'));
    await world.advance(1_000);
    expect(alice.texts).toEqual(['hello too', 'to the former']);
    await Promise.all([delivered, handled]);
    expect(bob.events.identityRotated).toHaveLength(1);
    await world.finish(bob.agent.send('alice', 'to the present'));
    await world.advance(1_000);
    expect(alice.texts.at(-1)).toBe('to the present');
  });

  test('messages of the former identity that wait for an absent peer are read by it', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    const carol = await world.agent('carol');
    await world.finish(alice.agent.send('bob', 'known'));
    await world.advance(1_000);
    await world.close(bob);
    await world.close(carol);
    await world.finish(alice.agent.send('bob', 'while away'));
    await world.finish(alice.agent.send('carol', 'never met'));
    await world.finish(alice.agent.rotateIdentity(world.keys()));
    await world.finish(alice.agent.send('bob', 'as another'));
    await world.finish(alice.agent.send('carol', 'as another'));
    const [bob2, carol2] = [
      await world.agent('bob', {}, bob),
      await world.agent('carol', {}, carol),
    ];
    await world.advance(60_000);
    expect(bob2.texts).toEqual(['while away', 'as another']);
    // Two identities are two senders: one may overtake the other.
    expect(carol2.texts.toSorted()).toEqual(['as another', 'never met']);
    for (const { events } of [bob2, carol2]) {
      expect(events.identityChanged).toEqual([]);
      expect(events.undecryptable).toEqual([]);
      expect(events.refused).toEqual([]);
    }
  });

  test('an agent that restarts afterwards is the new identity, and still receives for the old', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(bob.agent.send('alice', 'one'));
    await world.finish(alice.agent.send('bob', 'two'));
    await world.advance(1_000);
    const next = world.keys();
    await world.finish(alice.agent.rotateIdentity(next));
    await world.close(alice);
    await world.finish(bob.agent.send('alice', 'to the former'));
    const again = await world.agent('alice', {}, { keyPair: next, store: alice.store });
    await world.advance(1_000);
    expect(again.texts).toEqual(['to the former']);
    await expect(
      world.agent('alice', {}, { keyPair: alice.keyPair, store: alice.store }),
    ).rejects.toMatchObject({ code: 'STORE_LOCKED' });
  });

  test('sends that come meanwhile wait, and go out as the new identity', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    const sends = Array.from({ length: 20 }, (_, n) => alice.agent.send('bob', `early ${n}`));
    const rotated = alice.agent.rotateIdentity(world.keys());
    const later = Array.from({ length: 20 }, (_, n) => alice.agent.send('bob', `late ${n}`));
    await world.finish(Promise.all([...sends, rotated, ...later]));
    await world.advance(5_000);
    expect(bob.texts.toSorted()).toEqual(
      [...sends, ...later].map((_, n) => (n < 20 ? `early ${n}` : `late ${n - 20}`)).toSorted(),
    );
    expect(new Set(bob.messages.map(({ id }) => id)).size).toBe(40);
  });

  test('the former identity receives for seven days and vouches for ninety, then its keys go', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    await world.finish(alice.agent.rotateIdentity(world.keys()));
    const rows = async (): Promise<string[]> =>
      [...(await alice.store.rows()).keys()].filter((key) => key.startsWith('former/'));
    const prekeys = async (): Promise<number> =>
      [...(await alice.store.rows()).keys()].filter((key) => key.startsWith('prekey/')).length;
    expect(await rows()).toHaveLength(1);
    const before = await prekeys();
    await world.jump(8 * 86_400_000);
    await world.advance(3_700_000);
    expect(await rows()).toHaveLength(1);
    expect(await prekeys()).toBeLessThan(before);
    await world.jump(90 * 86_400_000);
    await world.advance(3_700_000);
    expect(await rows()).toHaveLength(0);
  });

  test('without a hub, offline, or without the next keys nothing is changed', async () => {
    await using world = await World.create();
    const alone = await world.agent('alone', { hub: undefined });
    await expect(alone.agent.rotateIdentity(world.keys())).rejects.toMatchObject({
      code: 'NO_HUB',
    });
    const alice = await world.agent('alice');
    await expect(world.finish(alice.agent.rotateIdentity())).rejects.toMatchObject({
      code: 'BAD_OPTION',
    });
    await expect(alice.agent.rotateIdentity({} as AgentKeyPair)).rejects.toMatchObject({
      code: 'BAD_OPTION',
    });
    world.network.goDown();
    await expect(alice.agent.rotateIdentity(world.keys())).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
    });
    expect(alice.agent.address).toBe(alice.keyPair.address);
    await world.network.comeBack();
  });
});

test('that the hub sees an identity for the first time is taken for no one’s lost time', async () => {
  await using world = await World.create();
  const warnings: string[] = [];
  const keep = (line: string): void => void warnings.push(line);
  const logger = { debug() {}, info() {}, warn: keep, error: keep };
  const options = { logger, logLevel: 'warn' } as const;
  const alice = await world.agent('alice', options);
  const first = world.keys();
  await world.finish(alice.agent.rotateIdentity(first));
  expect(warnings).toEqual([]);
  // The hub takes the next one, and its answer is not kept.
  const second = world.keys();
  let isNext = false;
  alice.store.beforeCommit = (operations) => {
    const puts = operations.flatMap((one) => ('put' in one ? one.put : []));
    isNext ||= puts.some((key) => key.startsWith('former/'));
    if (isNext && puts.includes('hub')) throw new TypeError('killed');
  };
  const rotated = world.finish(alice.agent.rotateIdentity(second));
  await expect(rotated).rejects.toMatchObject({ code: 'STORE_FAILED' });
  await world.close(alice);
  warnings.length = 0;
  const store = await alice.store.copy();
  const again = await world.agent('alice', options, { keyPair: second, store });
  expect(await again.agent.status()).toMatchObject({ connection: 'online' });
  expect(warnings).toEqual([]);
});

/** Whether alice's store has begun another run, and has said anything in it, before she rotates. */
type Run = 'same' | 'silent' | 'speaking';

describe('a message to the former identity, after the next one has spoken', () => {
  /** Nothing that alice says arrives for a while: she rotates, speaks, and bob does not know. */
  async function unheard(run: Run) {
    const world = await World.create();
    let alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(bob.agent.send('alice', 'hello'));
    for (const text of ['one', 'two']) await world.finish(alice.agent.send('bob', text));
    await world.advance(5_000);
    const bobAid = bob.keyPair.identity.aid;
    if (run !== 'same') {
      await world.kill(alice);
      const store = await alice.store.copy();
      alice = await world.agent('alice', {}, { keyPair: alice.keyPair, store });
    }
    world.hub.deviations.send = (envelope) => (equalBytes(envelope.to, bobAid) ? [] : [envelope]);
    if (run === 'speaking') await world.finish(alice.agent.send('bob', 'of another run'));
    await world.finish(alice.agent.rotateIdentity(world.keys()));
    await world.finish(alice.agent.send('bob', 'as another'));
    await world.finish(bob.agent.send('alice', 'to the former'));
    await world.rest();
    expect(alice.texts.at(-1)).toBe('to the former');
    return { world, alice, bob };
  }

  test.each<Run>(['same', 'silent', 'speaking'])(
    'shows no rollback, and uses no number twice: alice in a run that is %s',
    async (run) => {
      const { world, alice, bob } = await unheard(run);
      await using _world = world;
      world.hub.deviations = {};
      await world.finish(alice.agent.send('bob', 'again as another'));
      await world.advance(120_000);
      expect(bob.texts.filter((text) => text.endsWith('as another')).toSorted()).toEqual([
        'again as another',
        'as another',
      ]);
      expect(bob.events.refused).toEqual([]);
      expect(bob.events.peerInstanceChanged).toEqual([]);
      expect(alice.events.storeRollback).toEqual([]);
    },
  );
});
