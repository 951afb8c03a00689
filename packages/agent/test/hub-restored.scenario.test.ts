/**
 * A hub that was restored from its backup: what it had accepted since is gone, and the openings
 * that it names are old. Nothing is taken for a rollback of the agent, and everything arrives in
 * the end.
 */
import { describe, expect, jest, test } from '@jest/globals';
import type { StoreTimelines } from '@agentmesh/protocol';
import { decodeMeta } from '../src/self/meta.js';
import type { Meta } from '../src/self/meta.js';
import { ROW } from '../src/store/row-keys.js';
import type { Resident } from './world.js';
import { World } from './world.js';

jest.setTimeout(120_000);

const MINUTE = 60_000;

/** Two agents that have written to each other, in both directions. */
async function pair(seed: number) {
  const world = await World.create(seed);
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  await world.finish(alice.agent.send('bob', 'a'));
  await world.finish(bob.agent.send('alice', 'b'));
  await world.advance(MINUTE);
  return { world, alice, bob };
}

/** Which opening of its store an agent is. */
async function metaOf({ store }: Resident): Promise<Meta> {
  const row = await store.get(ROW.meta);
  return decodeMeta(row ?? new Uint8Array());
}

/** What is accepted meanwhile is in no backup. */
async function lose(world: World, from: Resident, to: string, count: number): Promise<string[]> {
  world.hub.deviations = { send: () => [] };
  const texts = Array.from({ length: count }, (_, n) => `lost ${n}`);
  await world.finish(Promise.all(texts.map((text) => from.agent.send(to, text))));
  world.hub.deviations = {};
  return texts;
}

/** The hub knows of no opening of this agent after the one that it is said to have seen. */
function restoredTo(world: World, name: string, seen: Uint8Array | null, boot: number): void {
  let isTold = false;
  world.hub.deviations = {
    session(session, by) {
      if (by !== name || isTold) return session;
      isTold = true;
      const history = session.history && { ...session.history, store: new Uint8Array(16).fill(4) };
      return { ...session, history, lastInstance: seen, lastBoot: seen === null ? null : boot };
    },
  };
}

/** What the hub says of its store from now on. */
function tellHistory(world: World, change: (told: StoreTimelines) => StoreTimelines): void {
  world.hub.deviations = {
    session: (session) =>
      session.history === null ? session : { ...session, history: change(session.history) },
  };
}

describe('an agent that a restored hub does not know', () => {
  async function restored() {
    const world = await World.create();
    const alice = await world.agent('alice');
    await expect(world.finish(alice.agent.send('carol', 'too early'))).rejects.toMatchObject({
      code: 'PEER_NOT_FOUND',
    });
    tellHistory(world, (told) => ({ ...told, store: new Uint8Array(16).fill(6) }));
    world.network.goDown();
    await world.network.comeBack();
    return { world, alice };
  }

  test('is waited for: it comes back when it has noticed', async () => {
    const { world, alice } = await restored();
    await using _ = world;
    const sending = alice.agent.send('carol', 'hello');
    await world.advance(20_000);
    const carol = await world.agent('carol');
    await world.finish(sending);
    await world.advance(5_000);
    expect(carol.texts).toEqual(['hello']);
  });

  test('is not there if it has not come within a minute', async () => {
    const { world, alice } = await restored();
    await using _ = world;
    const sending = alice.agent.send('carol', 'hello');
    await expect(world.finish(sending)).rejects.toMatchObject({ code: 'PEER_NOT_FOUND' });
    await expect(world.finish(alice.agent.send('carol', 'again'))).rejects.toMatchObject({
      code: 'PEER_NOT_FOUND',
    });
  });
});

describe('T-S12 accepted messages that a restored hub has lost', () => {
  test.each([100, 1_500, 2_300])(
    'all arrive with the next one, and both go on: %i of them',
    async (count) => {
      const { world, alice, bob } = await pair(count);
      await using _ = world;
      const lost = await lose(world, alice, 'bob', count);
      const fresh = await world.finish(alice.agent.send('bob', 'fresh'));
      await world.advance(2 * MINUTE);
      expect(bob.texts).toContain('fresh');
      expect(bob.texts.filter((text) => text !== 'fresh')).toEqual(['a', ...lost]);
      const answer = await world.finish(bob.agent.send('alice', 'answer'));
      await world.finish(Promise.all([fresh.delivered, answer.delivered]));
      expect(alice.texts).toEqual(['b', 'answer']);
    },
  );

  test('arrive within minutes where nothing else is sent', async () => {
    const { world, alice, bob } = await pair(6);
    await using _ = world;
    const lost = await lose(world, alice, 'bob', 3);
    await world.advance(6 * MINUTE);
    expect(bob.texts).toEqual(['a', ...lost]);
  });

  test.each([
    ['its store goes on in another timeline', { timelines: [new Uint8Array(16).fill(5)] }],
    ['it has another store', { store: new Uint8Array(16).fill(6) }],
  ])('arrive at once where nobody was restarted: %s', async (_title, change) => {
    const { world, alice, bob } = await pair(9);
    await using _ = world;
    const lost = await lose(world, alice, 'bob', 3);
    tellHistory(world, (told) => ({ ...told, ...change }));
    world.network.goDown();
    await world.network.comeBack();
    await world.advance(MINUTE);
    expect(bob.texts).toEqual(['a', ...lost]);
    expect([...alice.events.storeRollback, ...bob.events.storeRollback]).toEqual([]);
  });

  test('nobody is asked by a hub that goes on in time, also after an orderly end', async () => {
    const { world, alice } = await pair(10);
    await using _ = world;
    await lose(world, alice, 'bob', 3);
    const next = new Uint8Array(16).fill(7);
    tellHistory(world, (told) => ({ ...told, timelines: [next, ...told.timelines] }));
    world.network.goDown();
    await world.network.comeBack();
    const { sent } = world.hub.passed;
    const before = sent.length;
    await world.advance(MINUTE);
    expect(sent.slice(before).filter(({ by }) => by === 'alice')).toEqual([]);
  });

  test('arrive without another one when the sender starts again and finds its hub older', async () => {
    const { world, alice, bob } = await pair(7);
    await using _ = world;
    const meta = await metaOf(alice);
    const once = await world.restart(alice);
    const lost = await lose(world, once, 'bob', 3);
    restoredTo(world, 'alice', meta.instance, meta.boot);
    const again = await world.restart(once);
    await world.advance(MINUTE);
    expect(bob.texts).toEqual(['a', ...lost]);
    expect(again.events.storeRollback).toEqual([]);
    expect(again.events.outgoing.filter(({ state }) => state === 'delivered')).toHaveLength(3);
    expect(bob.events.peerInstanceChanged).toEqual([]);
  });
});

describe('T-S13 an agent that starts at a hub which went back in time', () => {
  test.each([
    ['to its opening before', true],
    ['to before it was ever there', false],
  ])('keeps its outbox and its sessions (%s)', async (_title, isKnown) => {
    const { world, alice, bob } = await pair(8);
    await using _ = world;
    const meta = await metaOf(alice);
    const once = await world.restart(alice);
    await world.close(once);
    world.network.goDown();
    const offline = await world.agent('alice', {}, once);
    const waiting = offline.agent.send('bob', 'waiting');
    await world.rest();
    restoredTo(world, 'alice', isKnown ? meta.instance : null, meta.boot);
    await world.network.comeBack();
    await world.finish(waiting);
    await world.advance(MINUTE);
    expect(bob.texts).toEqual(['a', 'waiting']);
    expect(offline.events.storeRollback).toEqual([]);
    expect(bob.events.peerInstanceChanged).toEqual([]);
  });

  test.each([
    ['runs on', false],
    ['was started again', true],
  ])('to before its store was lost and begun anew, where it %s', async (_title, isAgain) => {
    const { world, alice, bob } = await pair(12);
    await using _ = world;
    const lost = await metaOf(alice);
    const anew = await world.loseStore(alice);
    await world.finish(anew.agent.send('bob', 'first'));
    const once = isAgain ? await world.restart(anew) : anew;
    world.network.goDown();
    const waiting = once.agent.send('bob', 'waiting');
    await world.rest();
    restoredTo(world, 'alice', lost.instance, lost.boot);
    await world.network.comeBack();
    await world.finish(waiting);
    await world.advance(MINUTE);
    expect(bob.texts).toEqual(['a', 'first', 'waiting']);
    expect(once.events.storeRollback).toEqual([]);
  });
});
