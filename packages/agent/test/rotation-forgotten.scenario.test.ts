/**
 * A hub that was restored from a backup made before a change of identity knows a former identity as
 * the owner of the name. The agent tells it the change again, and goes on.
 */
import { describe, expect, test } from '@jest/globals';
import { equalBytes } from '@agentmesh/crypto';
import { LocalHub } from '@agentmesh/hub-local';
import type { Hub } from '@agentmesh/protocol';
import { HubHistory } from './hub-history.js';
import type { Resident } from './world.js';
import { World } from './world.js';

/** Two agents that know each other, on a hub whose backups can be put back. */
async function pair() {
  const history = new HubHistory();
  const world = await World.create(1, { store: history.store() });
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  await world.finish(alice.agent.send('bob', 'before'));
  await world.finish(bob.agent.send('alice', 'to the first'));
  await world.advance(60_000);
  /** Everybody loses the hub, which comes back as it was then. */
  const restoreHub = async (length: number): Promise<void> => {
    world.network.goDown();
    history.goBack(length);
    const { host } = world;
    await world.network.comeBack(new LocalHub({ store: history.store(), host }));
    await world.advance(60_000);
  };
  return { world, alice, bob, history, restoreHub };
}

async function expectBothWays(world: World, alice: Resident, bob: Resident): Promise<void> {
  await world.finish(alice.agent.send('bob', 'from the present'));
  await world.finish(bob.agent.send('alice', 'to the present'));
  await world.advance(60_000);
  expect(bob.texts.at(-1)).toBe('from the present');
  expect(alice.texts.at(-1)).toBe('to the present');
}

describe('a hub that has forgotten a change of identity', () => {
  test.each([1, 3])('is told again by an agent that runs: %i changes', async (changes) => {
    const { world, alice, bob, history, restoreHub } = await pair();
    await using _ = world;
    const backup = history.length;
    for (let n = 0; n < changes; n++) await world.finish(alice.agent.rotateIdentity(world.keys()));
    await world.finish(alice.agent.send('bob', 'as another'));
    await world.advance(60_000);
    await restoreHub(backup);
    expect(await alice.agent.status()).toMatchObject({ connection: 'online', outbox: 0 });
    expect(alice.events.connection.filter(({ state }) => state === 'ended')).toEqual([]);
    await expectBothWays(world, alice, bob);
    expect(bob.events.identityChanged).toEqual([]);
  });

  test('is told again by an agent that starts, also of what it knows by half', async () => {
    const { world, alice, bob, history, restoreHub } = await pair();
    await using _ = world;
    await world.finish(alice.agent.rotateIdentity(world.keys()));
    const backup = history.length;
    const present = world.keys();
    await world.finish(alice.agent.rotateIdentity(present));
    await world.advance(60_000);
    await world.close(alice);
    await restoreHub(backup);
    const again = await world.agent('alice', {}, { store: alice.store, keyPair: present });
    await world.advance(60_000);
    await expectBothWays(world, again, bob);
  });

  test('shows peers a former identity: they wait, and nobody is asked', async () => {
    const { world, alice, bob, history, restoreHub } = await pair();
    await using _ = world;
    const backup = history.length;
    const present = world.keys();
    await world.finish(alice.agent.rotateIdentity(present));
    await world.finish(alice.agent.send('bob', 'as another'));
    await world.advance(60_000);
    await world.close(alice);
    await restoreHub(backup);
    const sending = bob.agent.send('alice', 'to the present');
    await world.advance(10_000);
    expect(bob.events.outgoing.at(-1)).toMatchObject({ state: 'waiting', reason: 'NO_PREKEYS' });
    const again = await world.agent('alice', {}, { store: alice.store, keyPair: present });
    await world.finish(sending);
    await world.advance(60_000);
    expect(again.texts).toEqual(['to the present']);
    expect(bob.events.identityChanged).toEqual([]);
  });

  test.each(['before it lets the agent in', 'while the agent shows its keys'])(
    'is told once more by an agent that starts where it was restored again %s',
    async (moment) => {
      const { world, alice, bob, history, restoreHub } = await pair();
      await using _ = world;
      const backup = history.length;
      const present = world.keys();
      await world.finish(alice.agent.rotateIdentity(present));
      await world.advance(60_000);
      await world.close(alice);
      await restoreHub(backup);
      const again = async (): Promise<void> => {
        world.network.goDown();
        history.goBack(backup);
        await world.network.comeBack(new LocalHub({ store: history.store(), host: world.host }));
      };
      // As the present identity, as the former one, and as the present one that was told of.
      let connections = 0;
      const hub: Hub = {
        async connect(credentials, events) {
          connections += 1;
          if (connections === 3 && moment.startsWith('before')) await again();
          const line = await world.hub.connect(credentials, events);
          if (connections === 3 && moment.startsWith('while')) await again();
          return line;
        },
      };
      const as = { store: alice.store, keyPair: present };
      const restarted = await world.finish(world.agent('alice', { hub }, as));
      await world.advance(60_000);
      expect(connections).toBeGreaterThan(3);
      await expectBothWays(world, restarted, bob);
    },
  );

  test('is told once more by an agent that runs', async () => {
    const { world, alice, bob, history } = await pair();
    await using _ = world;
    const backup = history.length;
    const present = world.keys();
    await world.finish(alice.agent.rotateIdentity(present));
    await world.advance(60_000);
    let isRestoredOnce = false;
    world.network.goDown();
    history.goBack(backup);
    const { host } = world;
    const connect = world.network.connect.bind(world.network);
    world.network.connect = async (credentials, events) => {
      const line = await connect(credentials, events);
      if (isRestoredOnce || !equalBytes(credentials.identity.aid, present.identity.aid))
        return line;
      isRestoredOnce = true;
      world.network.goDown();
      history.goBack(backup);
      await world.network.comeBack(new LocalHub({ store: history.store(), host }));
      return line;
    };
    await world.network.comeBack(new LocalHub({ store: history.store(), host }));
    await world.advance(60_000);
    expect(isRestoredOnce).toBe(true);
    expect(alice.events.connection.filter(({ state }) => state === 'ended')).toEqual([]);
    await expectBothWays(world, alice, bob);
  });

  test('is told nothing by an agent whose name somebody else has: it ends as before', async () => {
    const { world, alice, history, restoreHub } = await pair();
    await using _ = world;
    await world.finish(alice.agent.rotateIdentity(world.keys()));
    world.network.goDown();
    history.goBack(1);
    const thief = new LocalHub({ store: history.store(), host: world.host });
    const taken = await world.agent('alice', { hub: thief }, { keyPair: world.keys() });
    await restoreHub(history.length);
    const [last] = alice.events.connection.slice(-1);
    expect(last).toMatchObject({ state: 'ended', error: { code: 'NAME_TAKEN' } });
    expect(taken.agent.address).not.toBe(alice.agent.address);
  });
});
