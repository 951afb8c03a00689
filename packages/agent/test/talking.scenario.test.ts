import { describe, expect, test } from '@jest/globals';
import { LocalHub } from '@agentmesh/hub-local';
import { Agent } from '../src/index.js';
import { World } from './world.js';

describe('two agents', () => {
  test('reply to each other, with names, trust and reply ids', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    bob.agent.onMessage(async (message) => void (await message.reply({ text: 'pong', n: 2 })));
    const { id } = await world.finish(alice.agent.send('bob', { text: 'ping', task_id: 42 }));
    await world.rest();
    const [ping] = bob.messages;
    expect(ping).toMatchObject({
      id,
      sender: 'alice',
      recipient: 'bob',
      text: 'ping',
      type: 'message',
      payload: { type: 'message', text: 'ping', task_id: 42 },
      trust: 'first-contact',
      fingerprint: alice.agent.fingerprint,
      address: alice.agent.address,
      redelivered: false,
      replyTo: null,
    });
    expect(alice.messages[0]).toMatchObject({
      sender: 'bob',
      payload: { type: 'message', text: 'pong', n: 2 },
      replyTo: id,
    });
  });

  test('keep order and lose nothing over many messages both ways', async () => {
    const hub = new LocalHub();
    const alice = await Agent.create('alice', { hub, logLevel: 'silent' });
    const bob = await Agent.create('bob', { hub, logLevel: 'silent' });
    const [toBob, toAlice]: [number[], number[]] = [[], []];
    alice.onMessage(({ payload }) => void toAlice.push(payload['n'] as number));
    bob.onMessage(({ payload }) => void toBob.push(payload['n'] as number));
    const numbers = Array.from({ length: 450 }, (_, n) => n);
    await Promise.all(numbers.flatMap((n) => [alice.send('bob', { n }), bob.send('alice', { n })]));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(toBob).toEqual(numbers);
    expect(toAlice).toEqual(numbers);
    await alice.close();
    await bob.close();
    await hub.close();
  });

  test('the trust of a sender grows from first contact to pinned to verified', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(alice.agent.send('bob', 'one'));
    await world.finish(alice.agent.send('bob', 'two'));
    await world.rest();
    await bob.agent.trust('alice', alice.agent.fingerprint);
    await world.finish(alice.agent.send('bob', 'three'));
    await world.rest();
    expect(bob.messages.map(({ trust }) => trust)).toEqual(['first-contact', 'pinned', 'verified']);
    expect(bob.events.firstContact).toEqual([
      { peer: 'alice', address: alice.agent.address, fingerprint: alice.agent.fingerprint },
    ]);
    expect(alice.events.firstContact).toHaveLength(1);
  });

  test('a message to oneself is delivered without a hub', async () => {
    await using world = await World.create();
    const alone = await world.agent('alone', { hub: undefined });
    const { delivered } = await alone.agent.send('alone', 'note');
    await delivered;
    await world.rest();
    expect(alone.texts).toEqual(['note']);
    expect(alone.messages[0]?.trust).toBe('verified');
  });

  test('a receipt keeps the promise of delivery after 30 seconds without an answer', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    await world.agentWithoutHandler('bob');
    const { delivered } = await world.finish(alice.agent.send('bob', 'hello'));
    let isDelivered = false;
    void delivered.then(() => (isDelivered = true));
    await world.advance(25_000);
    expect(isDelivered).toBe(false);
    await world.advance(10_000);
    expect(isDelivered).toBe(true);
    expect(await sentRows(alice.store)).toBe(0);
  });

  test('a receipt is sent at once after 64 messages; none answers a receipt', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    await world.agentWithoutHandler('bob');
    const results = await world.finish(
      Promise.all(Array.from({ length: 64 }, (_, n) => alice.agent.send('bob', `${n}`))),
    );
    await world.rest();
    await Promise.all(results.map(({ delivered }) => delivered));
    const before = world.hub.passed.sent.length;
    await world.advance(120_000);
    expect(world.hub.passed.sent.length).toBe(before);
    expect(before).toBe(65);
  });
});

async function sentRows(store: { rows(): Promise<ReadonlyMap<string, string>> }): Promise<number> {
  return [...(await store.rows()).keys()].filter((key) => key.startsWith('sent/')).length;
}
