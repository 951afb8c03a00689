/**
 * A message is given up by time and by its recipient's word, never on the word of a hub nor because
 * of a bound: whoever is told so may send it again, and would double it.
 */
import { afterEach, describe, expect, test } from '@jest/globals';
import { AGENT_LIMITS } from '../src/ground/limits.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const usual = { ...AGENT_LIMITS };

afterEach(() => void Object.assign(AGENT_LIMITS, usual));

function statesOf(resident: Resident, id: string): string[] {
  return resident.events.outgoing.filter((step) => step.id === id).map(({ state }) => state);
}

describe('what the hub says of a message', () => {
  test('that is handled all the same ends nothing', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agentWithoutHandler('bob');
    const { id, delivered, handled } = await world.finish(alice.agent.send('bob', 'slow'));
    await world.rest();
    const envelope = world.hub.passed.sent.at(-1)?.envelope.id ?? new Uint8Array();
    world.hub.injectNotice('alice', { id: envelope, what: 'dead_lettered' });
    await world.rest();
    expect(alice.events.undelivered).toEqual([{ id, peer: 'bob', reason: 'dead_lettered' }]);
    bob.agent.onMessage(({ text }) => void bob.texts.push(text));
    await world.advance(60_000);
    await Promise.all([delivered, handled]);
    expect(bob.texts).toEqual(['slow']);
    expect(statesOf(alice, id)).toEqual(['queued', 'accepted', 'delivered', 'handled']);
  });

  test('that it has lost has the peer asked at once: it gets the message within a minute', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(alice.agent.send('bob', 'before'));
    world.hub.deviations = { send: () => [] };
    const { id, delivered } = await world.finish(alice.agent.send('bob', 'lost by the hub'));
    await world.rest();
    world.hub.deviations = {};
    const envelope = world.hub.passed.sent.at(-1)?.envelope.id ?? new Uint8Array();
    world.hub.injectNotice('alice', { id: envelope, what: 'expired' });
    await world.advance(60_000);
    await delivered;
    expect(bob.texts).toEqual(['before', 'lost by the hub']);
    expect(statesOf(alice, id)).toEqual(['queued', 'accepted', 'delivered', 'handled']);
  });

  test('that is there, and of which it says that it is not, makes nobody a clone', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(alice.agent.send('bob', 'first'));
    // What bob says is lost: alice does not know what is there.
    world.hub.deviations.send = (envelope, by) => (by === 'bob' ? [] : [envelope]);
    await world.finish(alice.agent.send('bob', 'timed', { ttl: '1s' }));
    await world.rest();
    await world.advance(2_000);
    const envelope = world.hub.passed.sent.findLast(({ by }) => by === 'alice')?.envelope.id;
    world.hub.injectNotice('alice', { id: envelope ?? new Uint8Array(), what: 'expired' });
    await world.advance(2_000);
    // A run of which the beginning is lost is asked for all numbers.
    await world.kill(alice);
    alice.store.beforeCommit = null;
    const again = await world.agent('alice', {}, alice);
    world.hub.deviations.send = () => [];
    await world.finish(again.agent.send('bob', 'lost'));
    world.hub.deviations.send = (sent, by) => (by === 'bob' ? [] : [sent]);
    await world.finish(again.agent.send('bob', 'last'));
    await world.rest();
    world.hub.deviations = {};
    await world.advance(60_000);
    expect(bob.texts.toSorted()).toEqual(['first', 'last', 'lost', 'timed']);
    expect(bob.events.cloneOrRollback).toEqual([]);
  });

  test('of an envelope that nobody waits for is told to nobody', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    world.hub.injectNotice('alice', { id: new Uint8Array(16), what: 'expired' });
    await world.rest();
    expect(alice.events.undelivered).toEqual([]);
  });
});

describe('a bound', () => {
  test('of what is kept gives nothing up: all of it arrives when the peer is there', async () => {
    Object.assign(AGENT_LIMITS, { keptMessages: 3 });
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(alice.agent.send('bob', '0'));
    await world.rest();
    await world.close(bob);
    const texts = Array.from({ length: 12 }, (_, at) => `${at + 1}`);
    const sent = [];
    for (const text of texts) sent.push(await world.finish(alice.agent.send('bob', text)));
    await world.advance(60_000);
    const again = await world.agent('bob', {}, bob);
    await world.advance(60_000);
    await Promise.all(sent.flatMap(({ delivered, handled }) => [delivered, handled]));
    expect(again.texts).toEqual(texts);
    const states = alice.events.outgoing.map(({ state }) => state);
    expect(states).not.toContain('expired');
  });

  test('is told for what the peer says it misses, and for nothing else', async () => {
    Object.assign(AGENT_LIMITS, { keptMessages: 3 });
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(alice.agent.send('bob', '0'));
    await world.rest();
    const sent = [];
    for (const text of ['1', 'lost', '3', '4', '5', '6', '7']) {
      world.hub.deviations = text === 'lost' ? { send: () => [] } : {};
      sent.push(await world.finish(alice.agent.send('bob', text)));
      await world.rest();
    }
    const outcomes = sent.map(({ delivered }) =>
      delivered.then(
        () => 'delivered',
        ({ code }: { code: string }) => code,
      ),
    );
    await world.advance(120_000);
    expect(await Promise.all(outcomes)).toEqual([
      ...['delivered', 'UNDELIVERED', 'delivered', 'delivered'],
      ...['delivered', 'delivered', 'delivered'],
    ]);
    expect(bob.texts.toSorted()).toEqual(['0', '1', '3', '4', '5', '6', '7']);
    expect(bob.events.gap.map(({ state }) => state)).toContain('lost');
  });

  test('of outcomes that are awaited says that the outcome is unknown, not that it is lost', async () => {
    Object.assign(AGENT_LIMITS, { outcomesAwaited: 2 });
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agentWithoutHandler('bob');
    const sent = [];
    for (const text of ['1', '2', '3'])
      sent.push(await world.finish(alice.agent.send('bob', text)));
    await expect(sent[0]?.handled).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    bob.agent.onMessage(() => {});
    await world.advance(60_000);
    await Promise.all(sent.map(({ delivered }) => delivered));
    expect(statesOf(alice, sent[0]?.id ?? '').at(-1)).toBe('handled');
  });
});

describe('what was sent to an identity that another one has followed', () => {
  /** Accepted and lost; then bob is another one, alice has followed, and started again. */
  async function lostToFormer() {
    const world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(alice.agent.send('bob', 'before'));
    await world.finish(bob.agent.send('alice', 'too'));
    await world.advance(60_000);
    world.hub.deviations = { send: () => [] };
    const { id, delivered } = await world.finish(alice.agent.send('bob', 'lost by the hub'));
    delivered.catch(() => undefined);
    world.hub.deviations = {};
    await world.finish(bob.agent.rotateIdentity(world.keys()));
    await world.finish(bob.agent.send('alice', 'as another'));
    await world.advance(60_000);
    expect(alice.events.identityRotated).toHaveLength(1);
    return { world, id, again: await world.restart(alice) };
  }

  test('is told as given up after its time, also to a later run', async () => {
    const { world, id, again } = await lostToFormer();
    await using _ = world;
    expect(statesOf(again, id)).toEqual([]);
    await world.jump(AGENT_LIMITS.keptMs);
    await world.advance(2 * AGENT_LIMITS.upkeepMs);
    expect(statesOf(again, id)).toEqual(['expired']);
  });
});
