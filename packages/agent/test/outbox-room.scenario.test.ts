/** How many messages may wait for one peer, and that others always have room beside them. */
import { expect, test } from '@jest/globals';
import { AGENT_LIMITS } from '../src/ground/limits.js';
import { World } from './world.js';

test('a full outbox is BACKPRESSURE for whom it is full, which passes', async () => {
  const table = AGENT_LIMITS as { outboxMessages: number };
  const { outboxMessages } = table;
  table.outboxMessages = 400;
  try {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const peers = ['bob', 'carol', 'dave', 'erin'];
    for (const peer of [...peers, 'frank']) {
      await world.agent(peer);
      await world.finish(alice.agent.send(peer, 'first'));
    }
    world.network.goDown();
    const full = { code: 'BACKPRESSURE', retryable: true };
    const shares: number[] = [];
    for (const peer of peers) {
      let refused: unknown = null;
      let own = 0;
      for (; refused === null && own < table.outboxMessages; own++) {
        alice.agent.send(peer, 'x').catch((error: unknown) => (refused = error));
        await world.rest();
      }
      expect(refused).toMatchObject(full);
      shares.push(own - 1);
    }
    // Each a third of the room that the others have left.
    expect(shares).toEqual([100, 75, 57, 42]);
    // Who is below a share of what is left can still be written to.
    void alice.agent.send('frank', 'one more').catch(() => undefined);
    await world.rest();
    expect((await alice.agent.status()).outbox).toBe(275);
    await world.network.comeBack();
    await world.advance(120_000);
    expect((await alice.agent.status()).outbox).toBe(0);
  } finally {
    table.outboxMessages = outboxMessages;
  }
}, 60_000);
