/**
 * A change of identity whose answer does not come in time is neither made nor not made: its caller
 * is told so, nobody speaks meanwhile, and it is made as soon as the hub answers.
 */
import { describe, expect, test } from '@jest/globals';
import { ProtocolError } from '@agentmesh/protocol';
import type { Hub, HubConnection } from '@agentmesh/protocol';
import { World } from './world.js';

/** A hub that takes records, and whose answers to them are lost while it is told so. */
function forgetful(hub: Hub): Hub & { losesAnswers: boolean; losesQuestions: boolean } {
  const over = {
    losesAnswers: false,
    losesQuestions: false,
    async connect(...args: Parameters<Hub['connect']>): Promise<HubConnection> {
      const inner = await hub.connect(...args);
      const putIdentity = async (record: Uint8Array) => {
        if (over.losesQuestions) throw new ProtocolError('TIMEOUT');
        const state = await inner.putIdentity(record);
        if (over.losesAnswers) throw new ProtocolError('TIMEOUT');
        return state;
      };
      return new Proxy(inner, {
        get(target, name) {
          if (name === 'putIdentity') return putIdentity;
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      });
    },
  };
  return over;
}

describe('a change of identity that is not answered in time', () => {
  test.each(['losesAnswers', 'losesQuestions'] as const)(
    'is made once the hub answers (%s), and both directions go on',
    async (fault) => {
      await using world = await World.create();
      const hub = forgetful(world.hub);
      const alice = await world.agent('alice', { hub });
      const bob = await world.agent('bob');
      await world.finish(alice.agent.send('bob', 'before'));
      await world.finish(bob.agent.send('alice', 'to the first'));
      await world.rest();
      const next = world.keys();
      hub[fault] = true;
      const changing = alice.agent.rotateIdentity(next);
      await expect(world.finish(changing)).rejects.toMatchObject({ code: 'TIMEOUT' });
      const sending = alice.agent.send('bob', 'meanwhile');
      await world.advance(20_000);
      hub[fault] = false;
      await world.finish(sending);
      await world.advance(60_000);
      expect(alice.agent.address).toBe(next.address);
      expect(await alice.agent.status()).toMatchObject({ connection: 'online', outbox: 0 });
      await world.finish(bob.agent.send('alice', 'to the second'));
      await world.finish(alice.agent.send('bob', 'after'));
      await world.advance(60_000);
      expect(bob.texts).toEqual(['before', 'meanwhile', 'after']);
      expect(alice.texts).toEqual(['to the first', 'to the second']);
      // Asked again, it is the identity that it is already.
      await world.finish(alice.agent.rotateIdentity(next));
      expect(alice.agent.address).toBe(next.address);
    },
  );

  test('does not keep the agent from being closed, and is made by the next run', async () => {
    await using world = await World.create();
    const hub = forgetful(world.hub);
    const alice = await world.agent('alice', { hub });
    const bob = await world.agent('bob');
    await world.finish(alice.agent.send('bob', 'before'));
    const next = world.keys();
    hub.losesAnswers = true;
    const changing = alice.agent.rotateIdentity(next);
    await expect(world.finish(changing)).rejects.toMatchObject({ code: 'TIMEOUT' });
    const began = world.host.clock();
    await world.close(alice);
    expect(world.host.clock() - began).toBeLessThan(20_000);
    hub.losesAnswers = false;
    const { store } = alice;
    const again = await world.finish(world.agent('alice', { hub }, { keyPair: next, store }));
    expect(again.agent.address).toBe(next.address);
    await world.finish(again.agent.send('bob', 'after'));
    await world.advance(60_000);
    expect(bob.texts).toEqual(['before', 'after']);
  });

  test('to keys that its caller keeps, with the store lost: the next keys start, the former do not', async () => {
    await using world = await World.create();
    const hub = forgetful(world.hub);
    const alice = await world.agent('alice', { hub });
    const bob = await world.agent('bob');
    await world.finish(alice.agent.send('bob', 'before'));
    const next = world.keys();
    hub.losesAnswers = true;
    await expect(world.finish(alice.agent.rotateIdentity(next))).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
    await world.kill(alice);
    hub.losesAnswers = false;
    const former = { keyPair: alice.keyPair };
    await expect(world.finish(world.agent('alice', { hub }, former))).rejects.toMatchObject({
      code: expect.stringMatching(/^(?:NAME_TAKEN|NOT_OWNER|SUCCEEDED)$/),
    });
    const again = await world.finish(world.agent('alice', { hub }, { keyPair: next }));
    await world.finish(again.agent.send('bob', 'after'));
    await world.advance(60_000);
    // The proof of the change was lost with the store: a person decides.
    expect(bob.events.identityChanged).toHaveLength(1);
    await world.finish(bob.agent.trust('alice', next.fingerprint));
    await world.advance(600_000);
    expect(bob.texts).toEqual(['before', 'after']);
  });
});
