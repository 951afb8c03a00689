/**
 * What a sender learns of his message: accepted, delivered, and what the recipient's handlers made
 * of it, over restarts and absences; and what nobody can make him believe.
 */
import { describe, expect, test } from '@jest/globals';
import { CONTENT_KIND } from '@agentmesh/crypto';
import { AgentError, MemoryStore } from '../src/index.js';
import type { StoreOperation } from '../src/index.js';
import { encodeOutcomes } from '../src/conversation/outcome.js';
import { envelopeTo, forgerTo } from './forger.js';
import { KeyLedger } from './key-ledger.js';
import { LIES } from './lies.js';
import { TestStore } from './test-store.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const statesOf = ({ events }: Resident, id: string): string[] =>
  events.outgoing.filter((step) => step.id === id).map(({ state }) => state);

/** A disk that takes its time for each commit, and any number at once. */
class SlowStore extends MemoryStore {
  readonly #sync: () => Promise<void>;

  constructor(sync: () => Promise<void>) {
    super();
    this.#sync = sync;
  }

  override async commit(operations: readonly StoreOperation[]): Promise<void> {
    await this.#sync();
    await super.commit(operations);
  }
}

const outcomeRows = async ({ store }: Resident): Promise<string[]> =>
  [...(await store.rows()).keys()].filter((key) => key.startsWith('outcome/'));

describe('the steps of a message', () => {
  test('queued, accepted, delivered and handled are told in this order', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    const { id, delivered, handled } = await world.finish(alice.agent.send('bob', 'hello'));
    await world.advance(1_000);
    await Promise.all([delivered, handled]);
    expect(statesOf(alice, id)).toEqual(['queued', 'accepted', 'delivered', 'handled']);
    expect(alice.events.outgoing.at(-1)).toEqual({
      id,
      peer: 'bob',
      address: bob.agent.address,
      state: 'handled',
      reason: null,
    });
    expect(await outcomeRows(bob)).toEqual([]);
  });

  test('delivered comes without handled while the recipient has no handler', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agentWithoutHandler('bob');
    const { id, delivered } = await world.finish(alice.agent.send('bob', 'wait'));
    await world.advance(60_000);
    await delivered;
    expect(statesOf(alice, id)).toEqual(['queued', 'accepted', 'delivered']);
    bob.agent.onMessage(() => {});
    await world.advance(1_000);
    expect(statesOf(alice, id).at(-1)).toBe('handled');
  });

  test('a handler refuses for good with its reason, and no other handler sees the message', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agentWithoutHandler('bob');
    const seen: string[] = [];
    bob.agent.onMessage(() => {
      seen.push('first');
      throw new AgentError('REFUSED', 'not my task');
    });
    bob.agent.onMessage(() => void seen.push('second'));
    const { id, handled } = await world.finish(alice.agent.send('bob', 'do it'));
    await world.advance(60_000);
    await expect(handled).rejects.toMatchObject({ code: 'REFUSED', detail: 'not my task' });
    expect(seen).toEqual(['first']);
    expect(statesOf(alice, id)).toEqual(['queued', 'accepted', 'delivered', 'refused']);
    expect(bob.events.handlerError).toEqual([]);
    expect(await bob.agent.status()).toMatchObject({ inbox: 0 });
  });

  test('a message that fails every time is failed, and the failure is not described', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agentWithoutHandler('bob');
    bob.agent.onMessage(() => {
      throw new TypeError('the database password is swordfish');
    });
    const { id, handled } = await world.finish(alice.agent.send('bob', 'poison'));
    await world.advance(60_000);
    await expect(handled).rejects.toMatchObject({ code: 'FAILED', detail: undefined });
    expect(alice.events.outgoing.at(-1)).toMatchObject({ id, state: 'failed', reason: null });
  });

  test('outcomes of many messages share one message', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    await world.agent('bob');
    const sent = Array.from({ length: 50 }, (_, n) => alice.agent.send('bob', `${n}`));
    const results = await world.finish(Promise.all(sent));
    await world.rest();
    const before = world.hub.passed.sent.length;
    await world.advance(60_000);
    await Promise.all(results.map(({ handled }) => handled));
    expect(world.hub.passed.sent.length).toBe(before + 1);
  });

  test('outcomes are told while work keeps coming, however long that goes on', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const runtime = world.runtime();
    const pause = (ms: number) =>
      new Promise<void>((resolve) => void runtime.schedule(ms, resolve));
    const store = new TestStore(world.ledger, new SlowStore(() => pause(10)));
    const bob = await world.finish(world.agentWithoutHandler('bob', {}, { store }));
    let [begun, handled, told, mostOwed] = [0, 0, 0, 0];
    alice.agent.on('outgoing', ({ state }) => (told += Number(state === 'handled')));
    // While one commit is made others are handled: deleting their rows never comes to an end.
    const handle = async (): Promise<void> => {
      begun += 1;
      await pause(40 + (begun % 10));
      handled += 1;
      mostOwed = Math.max(mostOwed, handled - told);
    };
    bob.agent.onMessage(handle, { order: 'none', concurrency: 100 });
    await world.finish(alice.agent.send('bob', 'first'));
    await world.advance(60_000);
    const working = Array.from({ length: 25 }, async (_, nth) => {
      await pause(2 * nth);
      for (let n = 0; n < 30; n++) {
        await alice.agent.send('bob', 'work');
        await pause(50);
      }
    });
    for (let ms = 0; ms < 2_000; ms++) await world.host.advance(1);
    await Promise.all(working);
    expect(handled).toBe(751);
    expect(mostOwed).toBeLessThan(200);
    await world.advance(60_000);
    expect(told).toBe(handled);
  });

  test('a message to oneself is handled like any other', async () => {
    await using world = await World.create();
    const alone = await world.agent('alone', { hub: undefined });
    const { id, delivered, handled } = await alone.agent.send('alone', 'note');
    await Promise.all([delivered, handled]);
    await world.rest();
    expect(statesOf(alone, id)).toEqual(['queued', 'delivered', 'handled']);
  });

  test('a message that the hub gives up is expired', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.close(bob);
    const { id, delivered, handled } = await world.finish(alice.agent.send('bob', 'late'));
    await world.jump(8 * 86_400_000);
    await world.advance(3_600_000);
    await expect(delivered).rejects.toMatchObject({ code: 'UNDELIVERED' });
    await expect(handled).rejects.toMatchObject({ code: 'UNDELIVERED' });
    expect(statesOf(alice, id)).toEqual(['queued', 'accepted', 'expired']);
  });

  const ends = {
    'a store that is said to have gone back': async (world: World): Promise<void> => {
      Object.assign(world.hub.deviations, LIES['session: a later boot']());
      world.network.goDown();
      await world.network.comeBack();
      await world.rest();
    },
    'a former identity': (world: World, { agent }: Resident): Promise<void> =>
      world.finish(agent.rotateIdentity(world.keys())),
  };

  test.each(Object.entries(ends))('a dropped message of %s is expired', async (_what, end) => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(alice.agent.send('bob', 'known'));
    await world.advance(1_000);
    world.hub.deviations.send = () => [];
    const silent = await world.finish(alice.agent.send('bob', 'dropped, nothing said since'));
    await end(world, alice);
    await world.jump(8 * 86_400_000);
    await world.advance(3_600_000);
    await expect(silent.delivered).rejects.toMatchObject({ code: 'UNDELIVERED' });
    const spoken = await world.finish(alice.agent.send('bob', 'dropped, then more is said'));
    await end(world, alice);
    world.hub.deviations = {};
    await world.finish(alice.agent.send('bob', 'more'));
    await world.jump(8 * 86_400_000);
    await world.advance(3_600_000);
    await expect(spoken.delivered).rejects.toMatchObject({ code: 'UNDELIVERED' });
    expect(statesOf(alice, spoken.id)).toEqual(['queued', 'accepted', 'expired']);
    expect(bob.texts).toEqual(['known', 'more']);
  });
});

describe('over a restart', () => {
  test('the sender is told of messages of its earlier run', async () => {
    await using world = await World.create();
    const first = await world.agent('alice');
    const bob = await world.agent('bob');
    const offline = await world.restart(bob);
    await world.close(offline);
    const { id } = await world.finish(first.agent.send('bob', 'across'));
    const alice = await world.restart(first);
    await world.agent('bob', {}, offline);
    await world.advance(40_000);
    expect(statesOf(alice, id)).toEqual(['delivered', 'handled']);
  });

  test('the recipient still owes what it could not tell, and tells it once', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agentWithoutHandler('bob');
    const { id, handled } = await world.finish(alice.agent.send('bob', 'remember'));
    await world.rest();
    world.network.goDown();
    bob.agent.onMessage(() => {});
    await world.rest();
    // Sealed at once, it waits in the outbox.
    expect(await bob.agent.status()).toMatchObject({ outbox: 1 });
    await world.close(bob);
    await world.network.comeBack();
    const again = await world.agent('bob', {}, bob);
    await world.advance(60_000);
    await handled;
    expect(again.texts).toEqual([]);
    expect(statesOf(alice, id).filter((state) => state === 'handled')).toEqual(['handled']);
    expect(await outcomeRows(again)).toEqual([]);
  });
});

describe('what nobody can make a sender believe', () => {
  test('an outcome counts only for messages to the very peer who tells it', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    await world.agentWithoutHandler('bob');
    const mallory = await world.agent('mallory');
    const { id, delivered, handled } = await world.finish(alice.agent.send('bob', 'for bob only'));
    let isSettled = false;
    const settle = (): void => void (isSettled = true);
    void Promise.race([delivered, handled]).then(settle, settle);
    await world.finish(mallory.agent.send('alice', 'a session for mallory'));
    await world.rest();
    const sentAtMs = world.host.clock();
    const forger = forgerTo(world, mallory, 'alice');
    const msgId = Uint8Array.from(Buffer.from(id, 'hex'));
    const body = encodeOutcomes([{ msgId, state: 'handled', reason: '' }]);
    const kind = CONTENT_KIND.outcome;
    const wire = forger.say({ kind, fromName: 'mallory', toName: 'alice', sentAtMs, body });
    world.hub.inject('alice', envelopeTo(alice, forger.aid, wire));
    await world.advance(1_000);
    expect(alice.events.outgoing.filter(({ peer }) => peer === 'mallory')).toEqual([
      { id, peer: 'mallory', address: mallory.agent.address, state: 'handled', reason: null },
    ]);
    expect(isSettled).toBe(false);
    expect(alice.events.outgoing.filter(({ peer }) => peer === 'bob')).toHaveLength(2);
  });
});

test('an outcome that a killed process still owed is told, whatever comes after its restart', async () => {
  await using world = await World.create();
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  await world.finish(alice.agent.send('bob', 'told at once'));
  await world.rest();
  const first = await world.finish(alice.agent.send('bob', 'before'));
  await world.rest();
  // What follows within a moment waits for company.
  expect(await outcomeRows(bob)).toHaveLength(1);
  // The process ends here, without another word; its store is what the next one finds.
  const store = await bob.store.snapshot(new KeyLedger());
  await world.agent('bob', {}, { keyPair: bob.keyPair, store });
  const second = await world.finish(alice.agent.send('bob', 'after'));
  await world.advance(60_000);
  expect(statesOf(alice, second.id).at(-1)).toBe('handled');
  expect(statesOf(alice, first.id).at(-1)).toBe('handled');
});

test('a receipt that a process has stored and not told is told by the next one', async () => {
  await using world = await World.create();
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  await world.finish(alice.agent.send('bob', 'first'));
  await world.advance(60_000);
  const { id } = await world.finish(alice.agent.send('bob', 'second'));
  await world.advance(60_000);
  expect(statesOf(alice, id).at(-1)).toBe('handled');
  // What the store holds now is what a process leaves that ends before it has told.
  const store = await alice.store.snapshot(new KeyLedger());
  const next = await world.agent('alice', {}, { keyPair: alice.keyPair, store });
  await world.advance(1_000);
  expect(statesOf(next, id)).toContain('handled');
  expect(bob.texts).toEqual(['first', 'second']);
  const last = await world.restart(next);
  await world.advance(1_000);
  expect(statesOf(last, id)).toEqual([]);
});
