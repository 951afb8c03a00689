/**
 * Clocks that are wrong, that are set during a run, and that have run for eighty years: nothing but
 * the expiry of prekeys depends on them, and no wait outlives them.
 */
import { describe, expect, test } from '@jest/globals';
import { TestStore } from './test-store.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** An agent whose clock is not that of the others. */
async function withShift(
  world: World,
  shift: { ms: number },
  as: Partial<Pick<Resident, 'keyPair' | 'store'>> = {},
): Promise<Resident> {
  const runtime = world.runtime();
  const now = (): number => runtime.now() + shift.ms;
  return await world.agent('bob', { runtime: { ...runtime, now } }, as);
}

/** How a time is written, to the day. */
function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** One message each way. */
async function talk(world: World, [alice, bob]: [Resident, Resident], text: string): Promise<void> {
  await world.finish(alice.agent.send('bob', text));
  await world.finish(bob.agent.send('alice', text));
  await world.advance(5_000);
}

describe('a clock that is wrong from the start', () => {
  test.each([
    ['an hour fast', HOUR_MS],
    ['an hour slow', -HOUR_MS],
    ['ten days fast', 10 * DAY_MS],
  ])('%s does not matter', async (_what, ms) => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await withShift(world, { ms });
    await talk(world, [alice, bob], 'hello');
    expect([alice.texts, bob.texts]).toEqual([['hello'], ['hello']]);
    expect([...alice.events.refused, ...bob.events.refused]).toEqual([]);
  });

  test.each([
    ['ten days', 10 * DAY_MS],
    ['a year', 365 * DAY_MS],
  ])('%s slow: the refusal is CLOCK and says both times, until it is set', async (_what, ms) => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const keyPair = world.keys();
    const store = new TestStore(world.ledger);
    const refused = withShift(world, { ms: -ms }, { keyPair, store });
    const error: unknown = await world.finish(refused).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'CLOCK', retryable: true });
    expect(String(error)).toContain(`here it is ${day(world.host.clock() - ms)}`);
    expect(String(error)).toContain(`at the hub ${day(world.host.clock())}`);
    const bob = await withShift(world, { ms: 0 }, { keyPair, store });
    await talk(world, [alice, bob], 'hello');
    expect([alice.texts, bob.texts]).toEqual([['hello'], ['hello']]);
  });

  test('a year slow at a later start: the agent waits, and goes on by itself once it is set', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const before = await withShift(world, { ms: 0 });
    await talk(world, [alice, before], 'before');
    await world.close(before);
    await world.jump(40 * DAY_MS);
    const shift = { ms: -365 * DAY_MS };
    const bob = await withShift(world, shift, before);
    await world.advance(5_000);
    shift.ms = 0;
    await world.advance(60_000);
    await talk(world, [alice, bob], 'after');
    expect([alice.texts, bob.texts]).toEqual([['before', 'after'], ['after']]);
  });

  test('a year fast: what it refuses of peers is CLOCK, and names both times', async () => {
    await using world = await World.create();
    await world.agent('alice');
    const bob = await withShift(world, { ms: 365 * DAY_MS });
    const refused: unknown = await world
      .finish(bob.agent.send('alice', 'hello'))
      .catch((reason: unknown) => reason);
    expect(refused).toMatchObject({ code: 'CLOCK', retryable: true });
    expect(String(refused)).toContain(`at the hub ${day(world.host.clock())}`);
  });

  test('a year fast: an invite that is good by the clock of the hub is CLOCK, not over', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const link = await alice.agent.invite();
    const bob = await withShift(world, { ms: 365 * DAY_MS });
    await expect(bob.agent.join(link)).rejects.toMatchObject({ code: 'CLOCK' });
    await world.jump(400 * DAY_MS);
    const carol = await world.agent('carol');
    await expect(carol.agent.join(link)).rejects.toMatchObject({ code: 'INVITE_EXPIRED' });
  });

  test('a peer that was away for months is EXPIRED by its name, not by our clock', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    await world.close(alice);
    await world.jump(60 * DAY_MS);
    const bob = await world.agent('bob');
    await expect(world.finish(bob.agent.send('alice', 'hello'))).rejects.toMatchObject({
      code: 'EXPIRED',
      message: expect.stringContaining("the signed prekey of 'alice', valid until"),
    });
  });
});

describe('a clock that is set during a run', () => {
  test.each([
    ['an hour ahead', HOUR_MS],
    ['an hour back', -HOUR_MS],
    ['ten days ahead', 10 * DAY_MS],
    ['ten days back', -10 * DAY_MS],
  ])(
    '%s: sessions go on, replays stay refused, failed messages are tried again',
    async (_w, ms) => {
      await using world = await World.create();
      const alice = await world.agent('alice');
      const shift = { ms: 0 };
      const bob = await withShift(world, shift);
      await talk(world, [alice, bob], 'before');
      let fails = 0;
      bob.agent.onMessage(() => {
        fails += 1;
        if (fails === 1) throw new TypeError('once');
      });
      await world.finish(alice.agent.send('bob', 'meanwhile'));
      await world.rest();
      expect(await bob.agent.status()).toMatchObject({ inbox: 1 });
      shift.ms = ms;
      await world.advance(5_000);
      expect([fails, (await bob.agent.status()).inbox]).toEqual([2, 0]);
      await talk(world, [alice, bob], 'after');
      expect(bob.texts).toEqual(['before', 'meanwhile', 'after']);
      expect(alice.texts).toEqual(['before', 'after']);
      for (const { envelope } of world.hub.passed.sent.filter(({ by }) => by === 'alice')) {
        const { from, ts } = { from: alice.keyPair.identity.aid, ts: world.host.clock() };
        // Under another id: the same one again is a delivery that is repeated.
        const id = envelope.id.map((byte) => byte ^ 0xff);
        world.hub.inject('bob', { envelope: { ...envelope, id, from, ts } });
      }
      await world.advance(5_000);
      expect(bob.texts).toHaveLength(3);
      expect(new Set(bob.events.refused.map(({ code }) => code))).toEqual(new Set(['DUPLICATE']));
      expect(bob.events.undecryptable).toEqual([]);
    },
  );
});

test.each([
  ['a minute', 60_000],
  ['three minutes', 180_000],
  ['ten days', 10 * DAY_MS],
])('a clock that goes back by %s keeps no newcomer waiting', async (_what, ms) => {
  await using world = await World.create();
  const shift = { ms };
  const bob = await withShift(world, shift);
  const alice = await world.agent('alice');
  await world.finish(alice.agent.send('bob', 'before'));
  shift.ms = 0;
  const carol = await world.agent('carol');
  await world.finish(carol.agent.send('bob', 'of a newcomer'));
  const anew = await world.loseStore(alice);
  await world.finish(anew.agent.send('bob', 'in a new session'));
  await world.advance(5_000);
  expect(bob.texts.toSorted()).toEqual(['before', 'in a new session', 'of a newcomer']);
});

test('in the year 2106, when seconds need 33 bits, agents come up, talk and renew their records', async () => {
  await using world = await World.create();
  await world.jump(Date.UTC(2106, 1, 8) - world.host.clock());
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  await talk(world, [alice, bob], 'hello');
  await world.jump(31 * DAY_MS);
  await world.advance(2 * HOUR_MS);
  const again = await world.loseStore(bob);
  await talk(world, [alice, again], 'without a store');
  expect(again.texts).toEqual(['without a store']);
  expect(alice.texts).toEqual(['hello', 'without a store']);
});
