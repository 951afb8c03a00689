/**
 * A message is given up by time and by its recipient's word, never on the word of a hub nor because
 * of a bound: whoever is told so may send it again, and would double it.
 */
import { afterEach, describe, expect, test } from '@jest/globals';
import { CONTENT_KIND } from '@agentmesh/crypto';
import { ProtocolError } from '@agentmesh/protocol';
import { AGENT_LIMITS } from '../src/ground/limits.js';
import { envelopeTo, Forger } from './forger.js';

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

  test.each([
    ['a nudge, as of an earlier version, shows no clone', CONTENT_KIND.nudge, 0],
    ['another message shows one', CONTENT_KIND.application, 1],
  ])('and that is there: in its place %s', async (_what, kind, clones) => {
    await using world = await World.create();
    const bob = await world.agent('bob');
    const alice = await world.agent('alice');
    await world.finish(alice.agent.connect('bob'));
    const bundle = world.hub.passed.served.at(-1)?.bundle;
    if (bundle === undefined) throw new TypeError('nothing was served');
    const forger = new Forger(alice.keyPair, bundle, world.host.clock(), 9);
    const names = { fromName: 'alice', toName: 'bob', sentAtMs: world.host.clock() };
    const payload = new TextEncoder().encode('{"text":"once"}');
    const { application } = CONTENT_KIND;
    const say = async (content: { kind: number; body: Uint8Array }): Promise<void> => {
      const wire = forger.say({ ...names, ...content, convSeq: 1 });
      world.hub.inject('bob', envelopeTo(bob, forger.aid, wire));
      await world.rest();
    };
    await say({ kind: application, body: payload });
    await say({ kind, body: kind === application ? payload : new Uint8Array() });
    expect(bob.texts).toEqual(['once']);
    expect(bob.events.cloneOrRollback).toHaveLength(clones);
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
  /** Accepted and lost; bob is another one, and gone; alice has followed, and started again. */
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
    await world.advance(1_000);
    expect(alice.events.identityRotated).toHaveLength(1);
    // It never says what of the former conversation has come.
    await world.kill(bob);
    await world.advance(60_000);
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

describe('a message that is told as expired is not handled afterwards', () => {
  const HOUR_MS = 3_600_000;

  /** What alice says first is stored and never reaches bob, who asks for it. */
  async function asked(ttl: '1h' | '30d') {
    const world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(alice.agent.send('bob', 'before'));
    await world.finish(bob.agent.send('alice', 'too'));
    await world.advance(60_000);
    world.hub.deviations.deliver = (delivery, to) => (to === 'bob' ? [] : [delivery]);
    const { id, delivered, handled } = await world.finish(
      alice.agent.send('bob', 'timed', { ttl }),
    );
    for (const each of [delivered, handled]) each.catch(() => undefined);
    world.hub.deviations = {};
    return { world, alice, bob, id };
  }

  test('and is told only when no envelope of it is on its way: one for 30 days, said again', async () => {
    const { world, alice, bob, id } = await asked('30d');
    await using _ = world;
    await world.finish(alice.agent.send('bob', 'next'));
    await world.rest();
    world.hub.deviations.send = (envelope, by) => {
      if (by === 'alice') throw new ProtocolError('QUEUE_FULL');
      return [envelope];
    };
    await world.advance(10_000);
    expect((await alice.agent.status()).outbox).toBeGreaterThan(0);
    await world.close(bob);
    await world.jump(8 * 24 * HOUR_MS);
    await world.advance(2 * HOUR_MS);
    world.hub.deviations = {};
    const again = await world.agent('bob', {}, bob);
    await world.advance(120_000);
    expect([bob.texts, again.texts]).toEqual([['before', 'next'], ['timed']]);
    expect(statesOf(alice, id)).toEqual(['queued', 'accepted', 'delivered', 'handled']);
  });

  test('nor by a repetition that the hub kept for longer', async () => {
    const { world, alice, bob, id } = await asked('1h');
    await using _ = world;
    await world.finish(alice.agent.send('bob', 'next'));
    world.hub.deviations.deliver = (delivery, to) => (to === 'bob' ? [] : [delivery]);
    await world.advance(10_000);
    expect(bob.texts).toEqual(['before', 'next']);
    await world.close(bob);
    await world.jump(2 * HOUR_MS);
    await world.advance(60_000);
    expect(statesOf(alice, id).at(-1)).toBe('expired');
    world.hub.deviations = {};
    const again = await world.agent('bob', {}, bob);
    await world.advance(60_000);
    expect(again.texts).toEqual([]);
    expect(again.events.cloneOrRollback).toEqual([]);
    expect(statesOf(alice, id).at(-1)).toBe('expired');
  });

  test('and is not told where the hub may have it, and has not answered', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(alice.agent.send('bob', 'before'));
    const { aid: from } = alice.keyPair.identity;
    world.hub.deviations.send = (envelope, by) => {
      if (by !== 'alice') return [envelope];
      const { id, to, blob } = envelope;
      world.hub.inject('bob', { envelope: { id, from, to, ts: 0, blob } });
      world.hub.deviations = {};
      world.network.goDown();
      throw new ProtocolError('CONNECTION_LOST');
    };
    const sending = alice.agent.send('bob', 'timed', { ttl: '1m' });
    sending.catch(() => undefined);
    await world.advance(2 * 60_000);
    await world.network.comeBack();
    await expect(world.finish(sending)).rejects.toMatchObject({ code: 'TIMEOUT' });
    await world.advance(10 * 60_000);
    expect(bob.texts).toEqual(['before', 'timed']);
    const id = alice.events.outgoing.at(-1)?.id ?? '';
    expect(statesOf(alice, id)).toEqual(['queued', 'delivered', 'handled']);
  });

  test.each(['the agent', 'the hub'])(
    'nor told so because the clock of %s is set',
    async (whose) => {
      await using world = await World.create();
      const steps = { 'the agent': 0, 'the hub': 0 };
      const now = (): number => world.host.clock() + steps['the agent'];
      const alice = await world.agent('alice', { runtime: { ...world.runtime(), now } });
      const bob = await world.agent('bob');
      await world.finish(alice.agent.send('bob', 'before'));
      await world.close(bob);
      const { id, delivered } = await world.finish(alice.agent.send('bob', 'waits'));
      delivered.catch(() => undefined);
      world.hub.deviations.session = (session) => {
        return { ...session, timeMs: session.timeMs + steps['the hub'] };
      };
      Object.assign(steps, { [whose]: 40 * 24 * HOUR_MS });
      world.network.goDown();
      await world.network.comeBack();
      await world.finish(alice.agent.send('bob', 'next'));
      await world.advance(3 * HOUR_MS);
      expect(statesOf(alice, id)).toEqual(['queued', 'accepted']);
      Object.assign(steps, { [whose]: 0 });
      const again = await world.agent('bob', {}, bob);
      await world.advance(120_000);
      expect(again.texts).toEqual(['waits', 'next']);
      expect(statesOf(alice, id)).toEqual(['queued', 'accepted', 'delivered', 'handled']);
    },
  );
});
