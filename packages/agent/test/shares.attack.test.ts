/**
 * What one peer can do to the others through an agent that talks to both: nothing beyond its share
 * of handlers, inbox, credit and outbox (protocol.md §2.11, §2.16). Honest peers are timed on
 * virtual time, under the attack and without it.
 */
import { expect, test } from '@jest/globals';
import { equalBytes } from '@agentmesh/crypto';
import { encodePayload } from '@agentmesh/protocol';
import { AGENT_LIMITS } from '../src/ground/limits.js';
import { envelopeTo, forgerTo } from './forger.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const FACTOR = 3;

/** How long an honest peer waits until its message is handled. */
async function honestMs(world: World, from: Resident, to: string): Promise<number> {
  const beganMs = world.host.clock();
  let endedMs: number | null = null;
  const sending = from.agent.send(to, 'honest').then(({ handled }) => handled);
  void sending.then(() => (endedMs = world.host.clock()));
  for (let n = 0; endedMs === null && n < 1_200; n++) await world.advance(50);
  await sending;
  return (endedMs ?? Infinity) - beganMs;
}

/** A handler that takes its time. */
function slow(world: World, ms: number): () => Promise<void> {
  const runtime = world.runtime();
  return () => new Promise((resolve) => void runtime.schedule(ms, resolve));
}

test('T-A44 full-queue-of-the-attacker: awaiting a reply to it keeps no handler', async () => {
  await using world = await World.create(1, { limits: { queueMessages: 8 } });
  const victim = await world.agentWithoutHandler('victim');
  victim.agent.onMessage(async (message) => void (await message.reply('I heard you')));
  const [alice, mallory] = [await world.agent('alice'), await world.agent('mallory')];
  const quietMs = await honestMs(world, alice, 'victim');
  // Mallory goes with a queue that is full, so nothing more can be said to it.
  await world.finish(mallory.agent.send('victim', 'hello'));
  await world.advance(2_000);
  await world.close(mallory);
  for (let n = 0; n < 8; n++) void victim.agent.send('mallory', 'filler').catch(() => undefined);
  await world.advance(2_000);
  const again = await world.agent('mallory', {}, mallory);
  await world.finish(again.agent.send('victim', 'now hang'));
  await world.close(again);
  const attackedMs = await honestMs(world, alice, 'victim');
  expect(attackedMs).toBeLessThanOrEqual(FACTOR * Math.max(quietMs, 50));
  expect((await victim.agent.status()).inbox).toBe(0);
});

test('T-A45 unread-replies: answers that nobody reads fill a quarter of the outbox', async () => {
  const table = AGENT_LIMITS as { outboxMessages: number };
  const { outboxMessages } = table;
  table.outboxMessages = 40;
  try {
    await using world = await World.create(1, { limits: { queueMessages: 8 } });
    const victim = await world.agentWithoutHandler('victim');
    const alice = await world.agent('alice');
    const mallory = await world.agent('mallory');
    await world.finish(mallory.agent.send('victim', 'hello'));
    await world.finish(victim.agent.send('alice', 'hello'));
    await world.advance(1_000);
    await world.close(mallory);
    const refusals: unknown[] = [];
    for (let n = 0; n < 60; n++) {
      victim.agent.send('mallory', 'unread').catch((error: unknown) => refusals.push(error));
      await world.rest();
    }
    expect((await victim.agent.status()).outbox).toBeLessThanOrEqual(10);
    expect(refusals.length).toBeGreaterThan(40);
    expect(refusals[0]).toMatchObject({ code: 'BACKPRESSURE' });
    await world.finish(victim.agent.send('alice', 'still here'));
    await world.advance(1_000);
    expect(alice.texts).toEqual(['hello', 'still here']);
  } finally {
    table.outboxMessages = outboxMessages;
  }
});

test('T-A66 unread-crowd: however many read nothing, there is room for who has nothing waiting', async () => {
  const table = AGENT_LIMITS as { outboxMessages: number };
  const { outboxMessages } = table;
  table.outboxMessages = 40;
  try {
    await using world = await World.create(1, { limits: { queueMessages: 2 } });
    const victim = await world.agentWithoutHandler('victim');
    victim.agent.onMessage(async (message) => void (await message.reply('I heard you')));
    const alice = await world.agent('alice');
    const quietMs = await honestMs(world, alice, 'victim');
    const crowd: Resident[] = [];
    for (let n = 0; n < 8; n++) crowd.push(await world.agent(`unread${n}`));
    for (const { agent } of crowd) await world.finish(agent.send('victim', 'hello'));
    await world.advance(2_000);
    for (const resident of crowd) await world.close(resident);
    let refused = 0;
    for (let n = 0; n < 20; n++) {
      for (const { name } of crowd) {
        victim.agent.send(name, 'unread').catch(() => (refused += 1));
        await world.rest();
      }
    }
    expect((await victim.agent.status()).outbox).toBeLessThan(table.outboxMessages);
    expect(refused).toBeGreaterThan(8);
    // Its message is handled, and the answer to it is heard.
    const before = alice.texts.length;
    const attackedMs = await honestMs(world, alice, 'victim');
    expect(attackedMs).toBeLessThanOrEqual(FACTOR * Math.max(quietMs, 50));
    await world.advance(1_000);
    expect(alice.texts.slice(before)).toEqual(['I heard you']);
    // What nobody reads is not kept for ever, and whoever wrote it is told.
    await world.jump(7 * 24 * 3_600_000);
    await world.advance(60_000);
    expect((await victim.agent.status()).outbox).toBe(0);
    const told = victim.events.outgoing.filter(({ state }) => state === 'expired');
    expect(told.map(({ reason }) => reason)).toContain('EXPIRED_UNSENT');
  } finally {
    table.outboxMessages = outboxMessages;
  }
});

test('T-A68 long-outbox: what waits for one peer goes beside what waits for others, not before it', async () => {
  await using world = await World.create();
  const victim = await world.agent('victim');
  await world.agent('mallory');
  const alice = await world.agent('alice');
  for (const peer of ['mallory', 'alice']) await world.finish(victim.agent.send(peer, 'hello'));
  world.network.goDown();
  for (let n = 0; n < 1_000; n++) void victim.agent.send('mallory', `${n}`).catch(() => undefined);
  await world.rest();
  const honest = victim.agent.send('alice', 'and you');
  await world.rest();
  const before = world.hub.passed.sent.length;
  await world.network.comeBack();
  await world.finish(honest);
  const place = world.hub.passed.sent
    .slice(before)
    .findIndex(({ envelope: { to } }) => equalBytes(to, alice.keyPair.identity.aid));
  expect(place).toBeGreaterThanOrEqual(0);
  expect(place).toBeLessThanOrEqual(AGENT_LIMITS.inFlight);
  await world.advance(1_000);
  expect(alice.texts).toEqual(['hello', 'and you']);
});

test('T-A46 skipped-numbers: messages that wait for missing ones hold nobody else up', async () => {
  await using world = await World.create();
  const victim = await world.agent('victim');
  const [alice, mallory] = [await world.agent('alice'), await world.agent('mallory')];
  await world.finish(mallory.agent.send('victim', 'hello'));
  await world.rest();
  const quietMs = await honestMs(world, alice, 'victim');
  const sentAtMs = world.host.clock();
  const forger = forgerTo(world, mallory, 'victim');
  const names = { fromName: 'mallory', toName: 'victim', sentAtMs };
  // More than the credit of a connection, and a hole before each.
  for (let n = 1; n <= 300; n++) {
    const body = encodePayload({ text: `${n}` });
    const wire = forger.say({ ...names, body, convSeq: 2 * n });
    world.hub.inject('victim', envelopeTo(victim, forger.aid, wire));
  }
  const attackedMs = await honestMs(world, alice, 'victim');
  expect(attackedMs).toBeLessThanOrEqual(FACTOR * Math.max(quietMs, 50));
});

test('T-A47 burst-before-a-slow-handler: the next sender waits for none of it', async () => {
  await using world = await World.create();
  const victim = await world.agentWithoutHandler('victim');
  victim.agent.onMessage(slow(world, 200));
  const [alice, mallory] = [await world.agent('alice'), await world.agent('mallory')];
  const quietMs = await honestMs(world, alice, 'victim');
  const burst = Array.from({ length: 450 }, (_, n) => mallory.agent.send('victim', `${n}`));
  await world.advance(500);
  const attackedMs = await honestMs(world, alice, 'victim');
  expect((await victim.agent.status()).inbox).toBeGreaterThan(300);
  expect(attackedMs).toBeLessThanOrEqual(FACTOR * quietMs);
  await world.finish(Promise.all(burst));
});

test('T-A65 four-full-shares: senders that fill the inbox together leave room for the next one', async () => {
  const table = AGENT_LIMITS as { inboxMessages: number };
  const { inboxMessages } = table;
  table.inboxMessages = 64;
  try {
    await using world = await World.create();
    const victim = await world.agentWithoutHandler('victim');
    victim.agent.onMessage(slow(world, 200));
    const alice = await world.agent('alice');
    const quietMs = await honestMs(world, alice, 'victim');
    const crowd: Resident[] = [];
    for (let n = 0; n < 4; n++) crowd.push(await world.agent(`hog${n}`));
    const burst = crowd.flatMap(({ agent }) =>
      Array.from({ length: 60 }, (_, n) => agent.send('victim', `${n}`)),
    );
    // Before any of them is handled.
    await world.rest();
    expect((await victim.agent.status()).inbox).toBeLessThan(table.inboxMessages);
    const attackedMs = await honestMs(world, alice, 'victim');
    expect(attackedMs).toBeLessThanOrEqual(FACTOR * quietMs);
    await world.finish(Promise.all(burst));
  } finally {
    table.inboxMessages = inboxMessages;
  }
});
