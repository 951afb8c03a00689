/**
 * Agents that keep no keys: a program without key files runs twice, and whoever knew such an agent
 * is told what has become of it.
 */
import { describe, expect, test } from '@jest/globals';
import { LocalHub } from '@agentmesh/hub-local';
import { Agent, IdentityChangedError } from '../src/index.js';
import { World } from './world.js';

const HOUR_MS = 3_600_000;
const quiet = { logLevel: 'silent' } as const;

/** An agent without keys or store of its own, in a world's time. */
const brief = (world: World, name: string): Promise<Agent> =>
  world.finish(Agent.create(name, { hub: world.hub, runtime: world.runtime(), ...quiet }));

/** What a promise comes to. */
const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'resolved',
    (error: { code: string }) => error.code,
  );

describe('an agent that keeps no keys', () => {
  test('runs again under its name, as often as its program is started', async () => {
    const hub = new LocalHub();
    const handled: string[] = [];
    for (const text of ['first', 'second', 'third']) {
      const alice = await Agent.create('alice', { hub, ...quiet });
      const bob = await Agent.create('bob', { hub, ...quiet });
      bob.onMessage((msg) => void handled.push(msg.text));
      const sent = await alice.send('bob', text);
      await sent.handled;
      expect(await alice.listPeers()).toEqual(['alice', 'bob']);
      await Promise.all([alice.close(), bob.close()]);
    }
    expect(handled).toEqual(['first', 'second', 'third']);
    await hub.close();
  });

  test('keeps its name from others while it runs: they are told about keypairPath', async () => {
    await using world = await World.create();
    const bob = await brief(world, 'bob');
    await expect(brief(world, 'bob')).rejects.toMatchObject({
      code: 'NAME_TAKEN',
      message: expect.stringContaining('keypairPath'),
    });
    world.network.goDown();
    await world.network.comeBack();
    await world.rest();
    await expect(brief(world, 'bob')).rejects.toMatchObject({ code: 'NAME_TAKEN' });
    await world.finish(bob.close());
    await world.finish((await brief(world, 'bob')).close());
  });

  test('takes no name of one that keeps them', async () => {
    await using world = await World.create();
    const bob = await world.agent('bob');
    await world.close(bob);
    await world.jump(3 * 24 * HOUR_MS);
    await expect(brief(world, 'bob')).rejects.toMatchObject({
      code: 'NAME_TAKEN',
      message: expect.stringContaining('keypairPath'),
    });
  });

  test('that came back with other keys is IDENTITY_CHANGED for who knew it, until trusted', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await brief(world, 'bob');
    await world.finish(alice.agent.send('bob', 'hello'));
    const { fingerprint } = bob;
    await world.finish(bob.close());
    const again = await brief(world, 'bob');
    const texts: string[] = [];
    again.onMessage((msg) => void texts.push(msg.text));
    const failure = await world.finish(
      alice.agent.send('bob', 'who are you').catch((error: unknown) => error),
    );
    expect(failure).toBeInstanceOf(IdentityChangedError);
    expect(failure).toMatchObject({ pinned: fingerprint, shown: again.fingerprint });
    expect(await codeOf(world.finish(alice.agent.send('bob', 'again')))).toBe('IDENTITY_CHANGED');
    await alice.agent.trust('bob', again.fingerprint);
    await world.finish(alice.agent.send('bob', 'welcome'));
    await world.advance(1_000);
    expect(texts).toEqual(['welcome']);
    await world.finish(again.close());
  });

  test('that came back with other keys is told that whoever knew it has to decide', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await brief(world, 'bob');
    await world.finish(alice.agent.send('bob', 'hello'));
    await world.finish(bob.close());
    const again = await brief(world, 'bob');
    const steps: (string | null)[][] = [];
    again.on('outgoing', ({ state, reason }) => void steps.push([state, reason]));
    const sent = await world.finish(again.send('alice', 'it is me'));
    await world.advance(2_000);
    expect(steps).toContainEqual(['waiting', 'IDENTITY_CHANGED']);
    expect(alice.texts).toEqual([]);
    expect(alice.events.identityChanged).toHaveLength(1);
    // Once somebody has decided, it is handled all the same.
    await alice.agent.trust('bob', again.fingerprint);
    await world.advance(120_000);
    await sent.handled;
    expect(alice.texts).toEqual(['it is me']);
    await world.finish(again.close());
  });

  test('that is gone for good is named to who still writes to it', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await brief(world, 'bob');
    const sent = await world.finish(alice.agent.send('bob', 'hello'));
    const { fingerprint } = bob;
    await world.finish(bob.close());
    await world.finish(alice.agent.send('bob', 'perhaps it comes back'));
    await world.jump(3 * HOUR_MS);
    await world.advance(5_000);
    expect(alice.events.undelivered).toMatchObject([{ peer: 'bob', reason: 'dead_lettered' }]);
    await expect(world.finish(alice.agent.send('bob', 'anybody there'))).rejects.toMatchObject({
      code: 'UNKNOWN_RECIPIENT',
      message: expect.stringContaining(fingerprint),
    });
    expect(sent.id).not.toBe('');
  });

  test('has its name again after its hub was away, and its messages', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await brief(world, 'bob');
    const texts: string[] = [];
    bob.onMessage((msg) => void texts.push(msg.text));
    await world.finish(alice.agent.send('bob', 'before'));
    world.network.goDown();
    await world.jump(10_000);
    await world.network.comeBack();
    await world.finish(alice.agent.send('bob', 'after'));
    await world.advance(1_000);
    expect(texts).toEqual(['before', 'after']);
    await world.finish(bob.close());
  });
});
