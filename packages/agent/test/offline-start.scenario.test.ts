/** An agent that begins while its hub is away: it has all that it had, and waits. */
import { describe, expect, test } from '@jest/globals';
import { LocalHub } from '@agentmesh/hub-local';
import { ProtocolError } from '@agentmesh/protocol';
import type { Hub } from '@agentmesh/protocol';
import { World } from './world.js';

describe('an agent that begins without its hub', () => {
  test('handles what was unread, and keeps what is sent until the hub is back', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const first = await world.agentWithoutHandler('bob');
    await world.finish(alice.agent.send('bob', 'unread'));
    await world.rest();
    world.network.goDown();
    await world.close(first);
    const bob = await world.agent('bob', {}, first);
    await world.rest();
    expect(bob.texts).toEqual(['unread']);
    expect(bob.events.connection).toMatchObject([{ state: 'offline' }]);
    const answer = bob.agent.send('alice', 'an answer');
    await world.advance(5_000);
    // The answer and the outcome of what was unread.
    expect(await bob.agent.status()).toMatchObject({ connection: 'offline', outbox: 2 });
    await world.network.comeBack();
    await world.finish(answer);
    await world.advance(5_000);
    expect(alice.texts).toEqual(['an answer']);
    expect(bob.events.connection.at(-1)).toEqual({ state: 'online', error: null });
  });

  test('and never was on one is refused: nobody has let it in yet', async () => {
    await using world = await World.create();
    world.network.goDown();
    await expect(world.agent('alice')).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await world.network.comeBack();
  });

  test('is told when the hub that comes back refuses it for good', async () => {
    await using world = await World.create();
    const first = await world.agent('alice');
    world.network.goDown();
    await world.close(first);
    const alice = await world.agent('alice', {}, first);
    const other = new LocalHub({ host: world.host });
    await world.agent('alice', { hub: other });
    await world.network.comeBack(other);
    await world.advance(60_000);
    expect(alice.events.connection.at(-1)).toMatchObject({
      state: 'ended',
      error: expect.objectContaining({ code: 'NAME_TAKEN' }),
    });
    await expect(alice.agent.send('bob', 'x')).rejects.toMatchObject({ code: 'NAME_TAKEN' });
    await other.close();
  });

  test('and ends before it is back, leaves everything for the next time', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const first = await world.agent('bob');
    await world.finish(first.agent.send('alice', 'known'));
    await world.advance(1_000);
    world.network.goDown();
    await world.close(first);
    const second = await world.agent('bob', {}, first);
    const lost = second.agent.send('alice', 'later').catch((error: unknown) => error);
    await world.rest();
    await world.close(second);
    expect(await lost).toMatchObject({ code: 'CLOSED' });
    await world.network.comeBack();
    await world.agent('bob', {}, second);
    await world.advance(5_000);
    expect(alice.texts).toEqual(['known', 'later']);
  });

  test('is not displaced by its own first attempt, which the hub has let in but not served', async () => {
    await using world = await World.create();
    const first = await world.agent('alice');
    await world.finish(first.agent.send('alice', 'x'));
    world.network.goDown();
    await world.close(first);
    const alice = await world.agent('alice', {}, first);
    let refusals = 2;
    world.hub.deviations.keys = (state) => {
      if (refusals-- > 0) throw new ProtocolError('STORAGE');
      return state;
    };
    await world.network.comeBack();
    await world.advance(20_000);
    expect(refusals).toBeLessThan(0);
    expect(alice.events.connection.at(-1)).toEqual({ state: 'online', error: null });
    expect(alice.events.displaced).toEqual([]);
  });

  test('and is closed while it connects leaves no connection behind', async () => {
    await using world = await World.create();
    const first = await world.agent('alice');
    world.network.goDown();
    await world.close(first);
    let open = 0;
    const gate = Promise.withResolvers<void>();
    const hub: Hub = {
      async connect(credentials, events) {
        const connection = await world.hub.connect(credentials, events);
        open += 1;
        await gate.promise;
        const close = connection.close.bind(connection);
        connection.close = async () => {
          open -= 1;
          await close();
        };
        return connection;
      },
    };
    const alice = await world.agent('alice', { hub }, first);
    await world.network.comeBack();
    await world.advance(5_000);
    expect(open).toBe(1);
    await world.close(alice);
    gate.resolve();
    await world.advance(5_000);
    expect(open).toBe(0);
    expect(alice.events.stopped).toEqual([]);
  });
});
