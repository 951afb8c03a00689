/**
 * How long a message waits to leave, and who decides it: time to live, signal, time-out, and what a
 * full queue of the recipient means to its sender.
 */
import { describe, expect, test } from '@jest/globals';
import { ProtocolError } from '@agentmesh/protocol';
import { World } from './world.js';
import type { Resident } from './world.js';

const statesOf = ({ events }: Resident): string[] => events.outgoing.map(({ state }) => state);

async function introduced(world: World) {
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  await world.finish(alice.agent.send('bob', 'first'));
  await world.advance(1_000);
  alice.events.outgoing.length = 0;
  return { alice, bob };
}

describe('send', () => {
  test('with a signal is withdrawn while it waits here, and nothing of it arrives', async () => {
    await using world = await World.create();
    const { alice, bob } = await introduced(world);
    world.network.goDown();
    const controller = new AbortController();
    const sending = alice.agent.send('bob', 'withdrawn', { signal: controller.signal });
    const kept = alice.agent.send('bob', 'kept');
    await world.rest();
    controller.abort('changed my mind');
    await expect(world.finish(sending)).rejects.toMatchObject({
      code: 'CANCELLED',
      cause: 'changed my mind',
    });
    await world.network.comeBack();
    await world.finish(kept);
    await world.advance(5_000);
    expect(bob.texts).toEqual(['first', 'kept']);
    expect(statesOf(alice)).toContain('cancelled');
    expect((await alice.agent.status()).outbox).toBe(0);
  });

  test('with a signal that is aborted already commits nothing', async () => {
    await using world = await World.create();
    const { alice, bob } = await introduced(world);
    const signal = AbortSignal.abort();
    await expect(alice.agent.send('bob', 'no', { signal })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    await world.advance(5_000);
    expect(bob.texts).toEqual(['first']);
  });

  test('with a timeout is given up while the hub is away', async () => {
    await using world = await World.create();
    const { alice, bob } = await introduced(world);
    world.network.goDown();
    const sending = alice.agent.send('bob', 'late', { timeout: '5s' });
    await expect(world.finish(sending)).rejects.toMatchObject({ code: 'TIMEOUT', retryable: true });
    await world.network.comeBack();
    await world.advance(60_000);
    expect(bob.texts).toEqual(['first']);
  });

  test('with a timeout that ends when the hub may have it says that it may arrive, and its id', async () => {
    await using world = await World.create();
    const { alice, bob } = await introduced(world);
    world.hub.deviations.send = (envelope, by) => {
      if (by !== 'alice') return [envelope];
      world.hub.deviations = {};
      world.network.goDown();
      throw new ProtocolError('CONNECTION_LOST');
    };
    const sending = alice.agent.send('bob', 'late', { timeout: '5s' });
    sending.catch(() => undefined);
    await world.advance(6_000);
    const id = alice.events.outgoing.at(-1)?.id ?? '';
    await expect(sending).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: expect.stringContaining(`message ${id} may still arrive`),
    });
    await world.network.comeBack();
    await world.advance(60_000);
    expect(bob.texts).toEqual(['first', 'late']);
    expect(alice.events.outgoing.filter((step) => step.id === id).at(-1)?.state).toBe('handled');
  });

  test('with a ttl expires in the outbox and says so, and what follows is received', async () => {
    await using world = await World.create();
    const { alice, bob } = await introduced(world);
    world.network.goDown();
    const sending = alice.agent.send('bob', 'old news', { ttl: '1m' });
    const kept = alice.agent.send('bob', 'kept');
    sending.catch(() => undefined);
    await world.advance(61_000);
    await world.network.comeBack();
    await world.finish(kept);
    await expect(sending).rejects.toMatchObject({ code: 'EXPIRED_UNSENT' });
    await world.advance(5_000);
    expect(bob.texts).toEqual(['first', 'kept']);
    expect(statesOf(alice)).toContain('expired');
  });

  test('with a ttl expires at the hub, for a recipient that is away', async () => {
    await using world = await World.create();
    const { alice, bob } = await introduced(world);
    await world.close(bob);
    const sent = await world.finish(alice.agent.send('bob', 'old news', { ttl: '1m' }));
    await world.advance(120_000);
    await expect(sent.delivered).rejects.toMatchObject({ code: 'UNDELIVERED' });
  });

  test.each([
    [{ ttl: '31d' as const }, 'ttl'],
    [{ ttl: 0 }, 'ttl'],
    [{ ttl: NaN }, 'ttl'],
    [{ timeout: 'x' as '1s' }, 'timeout'],
  ])('%j is BAD_OPTION', async (options, name) => {
    await using world = await World.create();
    const { alice } = await introduced(world);
    await expect(alice.agent.send('bob', 'x', options)).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining(name),
    });
  });

  test('of many to a full queue waits no longer than of one: a burst fails once', async () => {
    await using world = await World.create(1, { limits: { queueMessages: 40 } });
    const { alice, bob } = await introduced(world);
    await world.close(bob);
    const texts = Array.from({ length: 20 }, (_, n) => `${n}`);
    const sending = Promise.all(texts.map((text) => alice.agent.send('bob', text)));
    await world.advance(400);
    const again = await world.agent('bob', {}, bob);
    await world.advance(3_000);
    expect(again.texts).toEqual(texts);
    await sending;
  });

  test('to a full queue tells what the hub says, and goes on when there is room', async () => {
    await using world = await World.create(1, { limits: { queueMessages: 8 } });
    const { alice, bob } = await introduced(world);
    await world.close(bob);
    const texts = ['1', '2', '3', '4'];
    const sending = texts.map((text) => alice.agent.send('bob', text));
    await world.advance(1_000);
    const waiting = alice.events.outgoing.filter(({ state }) => state === 'waiting');
    expect(waiting.map(({ reason }) => reason)).toEqual(['QUEUE_FULL']);
    const again = await world.agent('bob', {}, bob);
    await world.finish(Promise.all(sending));
    await world.advance(5_000);
    expect(again.texts).toEqual(texts);
  });

  test('to a queue with room for some of what is under way keeps its order, and nothing is late', async () => {
    await using world = await World.create(1, { limits: { queueBytes: 256 * 1_024 } });
    const { alice, bob } = await introduced(world);
    await world.close(bob);
    // Each second one would find room where the one before it finds none.
    const texts = Array.from({ length: 60 }, (_, n) => `${n} `.repeat(n % 2 === 0 ? 6_000 : 1));
    const sending = Promise.all(texts.map((text) => alice.agent.send('bob', text)));
    await world.advance(1_000);
    const accepted = alice.events.outgoing.filter(({ state }) => state === 'accepted');
    expect(accepted.length).toBeGreaterThan(0);
    expect(accepted.length).toBeLessThan(texts.length);
    const again = await world.agent('bob', {}, bob);
    await world.finish(sending);
    await world.advance(60_000);
    expect(again.texts).toEqual(texts);
    expect(again.messages.filter(({ late, redelivered }) => late || redelivered)).toEqual([]);
  });
});

test('reply() resolves at its own commit: a hub that is away keeps no handler', async () => {
  await using world = await World.create();
  const alice = await world.agent('alice');
  const bob = await world.agentWithoutHandler('bob');
  const handled: string[] = [];
  bob.agent.onMessage(async (message) => {
    world.network.goDown();
    await message.reply('I have it');
    handled.push(message.text);
  });
  await world.finish(alice.agent.send('bob', 'here'));
  await world.rest();
  expect(handled).toEqual(['here']);
  await world.network.comeBack();
  await world.advance(60_000);
  expect(alice.texts).toEqual(['I have it']);
});
