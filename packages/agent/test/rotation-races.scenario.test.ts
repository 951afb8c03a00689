/**
 * A change of identity beside everything else that happens at that moment: another change, sends,
 * an end, a hub that will not have the new identity. Nothing is lost, nothing waits for ever.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { addressOf, equalBytes, parseIdentityRecord } from '@agentmesh/crypto';
import { decodeBundle, ProtocolError } from '@agentmesh/protocol';
import { World } from './world.js';
import type { Resident } from './world.js';

async function addressAt(world: World, name: string): Promise<string> {
  const { record } = decodeBundle(await world.local.getBundle(name));
  return addressOf(parseIdentityRecord(record).identity.aid);
}

/** Both have written to each other. */
async function spoken(world: World, options = {}): Promise<[Resident, Resident]> {
  const alice = await world.agent('alice', options);
  const bob = await world.agent('bob');
  await world.finish(alice.agent.send('bob', 'hello'));
  await world.finish(bob.agent.send('alice', 'hello too'));
  await world.advance(1_000);
  return [alice, bob];
}

const outcome = (world: World, promise: Promise<unknown>): Promise<unknown> =>
  world.finish(promise.then(() => 'done').catch((error: unknown) => error));

async function withKeyFile(run: (keypairPath: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'agentmesh-races-'));
  try {
    await run(join(folder, 'alice.json'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe('a change of identity', () => {
  test('and another one at the same moment: one after the other, and the name is the last one’s', async () => {
    await using world = await World.create();
    const [alice, bob] = await spoken(world);
    const [first, second] = [world.keys(), world.keys()];
    const both = [alice.agent.rotateIdentity(first), alice.agent.rotateIdentity(second)];
    await world.finish(Promise.all(both));
    expect(alice.agent.address).toBe(second.address);
    expect(await addressAt(world, 'alice')).toBe(second.address);
    await world.finish(alice.agent.send('bob', 'after both'));
    await world.advance(5_000);
    expect(bob.texts).toEqual(['hello', 'after both']);
  });

  test('and another one at the same moment, with a key file: the file is the last one’s', async () => {
    await withKeyFile(async (keypairPath) => {
      await using world = await World.create();
      const options = { keypairPath, keyPair: undefined };
      const [alice, bob] = await spoken(world, options);
      const both = [alice.agent.rotateIdentity(), alice.agent.rotateIdentity()];
      await world.finish(Promise.all(both));
      const again = await world.restart(alice, options);
      expect(again.agent.address).toBe(await addressAt(world, 'alice'));
      await world.finish(again.agent.send('bob', 'after both'));
      await world.advance(5_000);
      expect(bob.texts).toEqual(['hello', 'after both']);
    });
  });

  test('sends nothing of the new identity over the line of the former one', async () => {
    await withKeyFile(async (keypairPath) => {
      await using world = await World.create();
      const [alice, bob] = await spoken(world, { keypairPath, keyPair: undefined });
      const rotated = alice.agent.rotateIdentity();
      const sends = Array.from({ length: 20 }, (_, n) => alice.agent.send('bob', `during ${n}`));
      await world.finish(Promise.all([rotated, ...sends]));
      await world.advance(5_000);
      expect(bob.texts).toHaveLength(21);
      expect(alice.events.undelivered).toEqual([]);
    });
  });

  test('whose keys cannot take their place on the disk goes on as the new identity', async () => {
    await withKeyFile(async (keypairPath) => {
      await using world = await World.create();
      const [alice, bob] = await spoken(world, { keypairPath, keyPair: undefined });
      alice.store.beforeCommit = (operations) => {
        if (!operations.some((each) => 'delete' in each && each.delete === 'rotation')) return;
        rmSync(keypairPath);
        mkdirSync(join(keypairPath, 'in-the-way'), { recursive: true });
      };
      const rotated = outcome(world, alice.agent.rotateIdentity());
      expect(await rotated).toMatchObject({ code: 'KEY_FILE_IO' });
      await world.finish(alice.agent.send('bob', 'as the new one'));
      await world.advance(5_000);
      expect(bob.texts).toEqual(['hello', 'as the new one']);
      expect(await addressAt(world, 'alice')).toBe(alice.agent.address);
    });
  });

  test('to one that the hub then refuses for good leaves no send waiting', async () => {
    const blocked: Uint8Array[] = [];
    const isBlocked = (aid: Uint8Array): boolean => blocked.some((each) => equalBytes(each, aid));
    await using world = await World.create(1, { isBlocked });
    const [alice] = await spoken(world);
    const next = world.keys();
    blocked.push(next.identity.aid);
    const rotated = outcome(world, alice.agent.rotateIdentity(next));
    expect(await rotated).toMatchObject({ code: 'BLOCKED' });
    expect(await outcome(world, alice.agent.send('bob', 'x'))).toMatchObject({ code: 'BLOCKED' });
    expect(alice.events.connection.at(-1)).toMatchObject({ state: 'ended' });
  });

  test('that waits for the hub while the agent is closed changes nothing', async () => {
    await using world = await World.create();
    const [alice, bob] = await spoken(world);
    world.hub.deviations.send = () => {
      throw new ProtocolError('QUEUE_FULL');
    };
    const sent = outcome(world, alice.agent.send('bob', 'sealed by the former'));
    await world.rest();
    const rows: string[] = [];
    alice.store.beforeCommit = (operations) => {
      for (const each of operations) if ('put' in each) rows.push(each.put);
    };
    const rotated = outcome(world, alice.agent.rotateIdentity(world.keys()));
    await world.rest();
    await world.close(alice);
    expect(await rotated).toMatchObject({ code: 'ROTATION_BUSY' });
    expect(rows).not.toContain('rotation');
    expect(await sent).toMatchObject({ code: 'CLOSED' });
    world.hub.deviations = {};
    const store = await alice.store.copy();
    await world.agent('alice', {}, { keyPair: alice.keyPair, store });
    await world.advance(5_000);
    expect(bob.texts).toEqual(['hello', 'sealed by the former']);
  });

  test('while one peer’s queue stays full is busy; with giveUpUnsent it is made', async () => {
    await using world = await World.create();
    const [alice, bob] = await spoken(world);
    const bobAid = bob.keyPair.identity.aid;
    world.hub.deviations.send = (envelope) => {
      if (equalBytes(envelope.to, bobAid)) throw new ProtocolError('QUEUE_FULL');
      return [envelope];
    };
    const stuck = outcome(world, alice.agent.send('bob', 'no room'));
    await world.rest();
    const before = alice.agent.address;
    const rotated = outcome(world, alice.agent.rotateIdentity(world.keys()));
    expect(await rotated).toMatchObject({ code: 'ROTATION_BUSY' });
    expect(alice.agent.address).toBe(before);
    const next = world.keys();
    await world.finish(alice.agent.rotateIdentity(next, { giveUpUnsent: true }));
    expect(alice.agent.address).toBe(next.address);
    expect(await stuck).toMatchObject({ code: 'UNDELIVERED' });
    expect(alice.events.outgoing.map(({ state }) => state)).toContain('rejected');
    expect((await alice.agent.status()).outbox).toBe(0);
    world.hub.deviations = {};
    await world.finish(alice.agent.send('bob', 'as the new one'));
    await world.advance(60_000);
    expect(bob.texts).toEqual(['hello', 'as the new one']);
    expect(bob.events.undecryptable).toEqual([]);
  });

  test('that gives up leaves alone what the hub accepts in time', async () => {
    await using world = await World.create();
    const [alice, bob] = await spoken(world);
    const sends = Array.from({ length: 20 }, (_, n) => alice.agent.send('bob', `${n}`));
    const rotated = alice.agent.rotateIdentity(world.keys(), { giveUpUnsent: true });
    await world.finish(Promise.all([...sends, rotated]));
    await world.advance(5_000);
    expect(bob.texts).toHaveLength(21);
  });

  test('while a first message is on its way: it waits until the name is somebody’s again', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    let moments = 1;
    world.hub.deviations.bundle = (bundle, { by, peer }) => {
      if (by === 'bob' && peer === 'alice' && moments-- > 0) {
        throw new ProtocolError('PEER_NOT_FOUND');
      }
      return bundle;
    };
    await world.finish(alice.agent.send('bob', 'hello'));
    await world.advance(1_000);
    expect([moments, bob.texts]).toEqual([0, []]);
    await world.advance(20_000);
    expect([bob.texts, bob.events.refused]).toEqual([['hello'], []]);
  });

  test('whose connection is lost before the hub has answered goes on with the next one', async () => {
    await using world = await World.create();
    const [alice, bob] = await spoken(world);
    const next = world.keys();
    world.hub.deviations.putIdentity = (record) => {
      world.hub.deviations = {};
      world.network.goDown();
      return record;
    };
    const rotated = alice.agent.rotateIdentity(next);
    await world.advance(1_000);
    await world.network.comeBack();
    await world.finish(rotated);
    expect(await addressAt(world, 'alice')).toBe(next.address);
    await world.finish(bob.agent.send('alice', 'still there?'));
    await world.finish(alice.agent.send('bob', 'still here'));
    await world.advance(5_000);
    expect([alice.texts.at(-1), bob.texts.at(-1)]).toEqual(['still there?', 'still here']);
  });

  test('met with both identities at once, and the hub’s answer for the former one late', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(bob.agent.send('alice', 'shows her former bundle'));
    const former = world.hub.passed.served.find(({ peer }) => peer === 'alice')?.bundle;
    const away = await world.agent('carol');
    await world.close(away);
    await world.finish(alice.agent.send('carol', 'as before'));
    const next = world.keys();
    await world.finish(alice.agent.rotateIdentity(next));
    await world.finish(alice.agent.send('carol', 'as another'));
    const isMet = Promise.withResolvers<void>();
    let asked = 0;
    world.hub.deviations.bundle = async (bundle, { peer }) => {
      if (peer !== 'alice' || former === undefined || asked++ > 0) return bundle;
      await isMet.promise;
      return former;
    };
    const carol = await world.agent('carol', {}, away);
    await world.advance(5_000);
    const before = carol.texts.length;
    isMet.resolve();
    await world.advance(60_000);
    expect([before, carol.texts.toSorted()]).toEqual([1, ['as another', 'as before']]);
    expect(carol.events.identityChanged).toEqual([]);
    expect(carol.events.refused.map(({ code }) => code)).toEqual([]);
    await world.finish(carol.agent.send('alice', 'answer'));
    const anew = await world.loseStore(alice, { keyPair: next });
    await world.finish(anew.agent.send('carol', 'in a session of its own'));
    await world.advance(60_000);
    expect(carol.texts).toContain('in a session of its own');
  });

  test('that is asked for twice with the same keys is made once; to former keys there is none', async () => {
    await using world = await World.create();
    const [alice, bob] = await spoken(world);
    const next = world.keys();
    await world.finish(
      Promise.all([alice.agent.rotateIdentity(next), alice.agent.rotateIdentity(next)]),
    );
    const back = outcome(world, alice.agent.rotateIdentity(alice.keyPair));
    expect(await back).toMatchObject({ code: 'BAD_OPTION' });
    expect([alice.agent.address, await addressAt(world, 'alice')]).toEqual([
      next.address,
      next.address,
    ]);
    await world.finish(bob.agent.send('alice', 'to whom?'));
    await world.finish(alice.agent.send('bob', 'after one'));
    await world.advance(5_000);
    expect([alice.texts.at(-1), bob.texts.at(-1)]).toEqual(['to whom?', 'after one']);
    expect(bob.events.identityChanged).toEqual([]);
  });

  test('whose fate is unknown is not begun again with other keys', async () => {
    await using world = await World.create();
    const [alice, bob] = await spoken(world);
    const [first, second] = [world.keys(), world.keys()];
    world.hub.deviations.keys = () => {
      throw new ProtocolError('INTERNAL');
    };
    const unknown = outcome(world, alice.agent.rotateIdentity(first));
    expect(await unknown).toMatchObject({ code: 'INTERNAL' });
    world.hub.deviations = {};
    const other = outcome(world, alice.agent.rotateIdentity(second));
    expect(await other).toMatchObject({ code: 'BAD_OPTION' });
    await world.finish(alice.agent.rotateIdentity(first));
    expect(await addressAt(world, 'alice')).toBe(first.address);
    await world.finish(alice.agent.send('bob', 'as the first'));
    await world.advance(5_000);
    expect(bob.texts).toEqual(['hello', 'as the first']);
  });

  test('settles a message to oneself that was unread, and owes nobody its outcome', async () => {
    await using world = await World.create();
    const alice = await world.agentWithoutHandler('alice');
    const { handled } = await alice.agent.send('alice', 'note');
    await world.finish(alice.agent.rotateIdentity(world.keys()));
    alice.agent.onMessage(() => {});
    await world.finish(handled);
    await world.advance(1_000);
    const rows = [...(await alice.store.rows()).keys()];
    expect(rows.filter((key) => key.startsWith('outcome/'))).toEqual([]);
  });

  test('keeps what its former identity has said until the peer says that it has it', async () => {
    await using world = await World.create();
    const [alice, bob] = await spoken(world);
    await world.close(bob);
    await world.finish(alice.agent.send('bob', 'unacknowledged'));
    const sent = async (): Promise<string[]> =>
      [...(await alice.store.rows()).keys()].filter((key) => key.startsWith('sent/'));
    const before = await sent();
    await world.finish(alice.agent.rotateIdentity(world.keys()));
    await world.finish(alice.agent.send('bob', 'as the new one'));
    const between = await sent();
    const again = await world.agent('bob', {}, bob);
    await world.advance(60_000);
    const after = await sent();
    const keptOf = (rows: readonly string[]) => rows.filter((key) => before.includes(key));
    expect(keptOf(between)).toEqual(before);
    expect(keptOf(after)).toEqual([]);
    expect(again.texts).toEqual(['unacknowledged', 'as the new one']);
    const kinds = [...(await alice.store.rows()).keys()].map((key) => key.split('/')[0]);
    expect(kinds).not.toContain('behind');
  });
});
