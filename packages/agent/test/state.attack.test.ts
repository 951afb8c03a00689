/**
 * State that is stolen, copied or worn out (tests.md, T-S and T-R6 at the level of agents): what a
 * thief can read, what a clone can do, and how far a hub can drive an agent.
 */
import { copyFileSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { LIMITS, parseMessage, toHex } from '@agentmesh/crypto';
import type { AgentKeyPair } from '@agentmesh/crypto';
import { loadKeyFile, loadOrCreateKeyFile } from '@agentmesh/crypto/node';
import { SqliteAgentStore } from '../src/node.js';
import { decodePeer } from '../src/conversation/peer.js';
import type { AgentStore } from '../src/store/store.js';
import { Forger } from './forger.js';
import { KeyLedger } from './key-ledger.js';
import { inFolder } from './store-folder.js';
import { opens } from './thief.js';
import type { Loot } from './thief.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Alice and bob have spoken, both ways. */
async function acquainted(world: World): Promise<[Resident, Resident]> {
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  await world.finish(alice.agent.send('bob', 'hello'));
  await world.finish(bob.agent.send('alice', 'hello'));
  await world.rest();
  return [alice, bob];
}

function wiresTo(world: World, to: Resident | AgentKeyPair): Uint8Array[] {
  const { aid } = ('keyPair' in to ? to.keyPair : to).identity;
  return world.hub.passed.sent
    .filter(({ envelope }) => toHex(envelope.to) === toHex(aid))
    .map(({ envelope }) => envelope.blob);
}

async function lootOf(store: AgentStore, keyPair: AgentKeyPair, nowMs: number): Promise<Loot> {
  const rows = await store.range({ from: ' ', to: '~', limit: 100_000 });
  return { keyPair, nowMs, rows: new Map(rows.map(({ key, value }) => [key, value])) };
}

describe('T-S2 clone-live', () => {
  test('a second store of one identity displaces the first and begins anew', async () => {
    await using world = await World.create();
    const [alice, bob] = await acquainted(world);
    await world.close(alice);
    const copy = await alice.store.copy(new KeyLedger());
    const first = await world.agent('alice', {}, alice);
    for (let n = 0; n < 500; n++) await world.finish(first.agent.send('bob', `original ${n}`));
    const clone = await world.agent('alice', {}, { keyPair: alice.keyPair, store: copy });
    await world.rest();
    expect(first.events.displaced).toEqual([{ peer: 'alice' }]);
    await expect(first.agent.send('bob', 'x')).rejects.toMatchObject({ code: 'DISPLACED' });
    expect(clone.events.storeRollback).toHaveLength(1);
    for (let n = 0; n < 500; n++) await world.finish(clone.agent.send('bob', `clone ${n}`));
    await world.rest();
    expect(bob.events.peerInstanceChanged).toMatchObject([{ peer: 'alice', held: false }]);
    expect(bob.texts).toHaveLength(1_001);
    expect(new Set(bob.texts).size).toBe(1_001);
    expectNoSaltTwice(world);
  });

  test('a hub that hides it cannot: the peer sees two messages at one place', async () => {
    await using world = await World.create();
    const [alice, bob] = await acquainted(world);
    await world.close(alice);
    const copy = await alice.store.copy(new KeyLedger());
    world.hub.deviations.session = (session) => ({
      ...session,
      lastInstance: null,
      lastBoot: null,
    });
    const first = await world.agent('alice', {}, alice);
    await world.finish(first.agent.send('bob', 'original'));
    await world.rest();
    const clone = await world.agent('alice', {}, { keyPair: alice.keyPair, store: copy });
    await world.finish(clone.agent.send('bob', 'clone'));
    await world.rest();
    expect(bob.events.cloneOrRollback).toMatchObject([{ peer: 'alice' }]);
    expect(bob.texts).toEqual(['hello', 'original']);
    expectNoSaltTwice(world);
  });

  /** No (message key, salt) repeats, although both use the same chains. */
  function expectNoSaltTwice(world: World): void {
    const blobs = world.hub.passed.sent.map(({ envelope }) => envelope.blob);
    const salts = blobs.map((blob) => toHex(parseMessage(blob).salt));
    expect(new Set(salts).size).toBe(new Set(blobs.map(toHex)).size);
  }
});

test('T-S5 healing: a copy of a store opens nothing after one round trip', async () => {
  await using world = await World.create();
  const [alice, bob] = await acquainted(world);
  await world.close(bob);
  const copy = await bob.store.copy(new KeyLedger());
  await copy.open();
  const loot = await lootOf(copy, bob.keyPair, world.host.clock());
  const again = await world.agent('bob', {}, bob);
  const before = wiresTo(world, bob).length;
  await world.finish(alice.agent.send('bob', 'read by the thief'));
  await world.finish(again.agent.send('alice', 'the round'));
  await world.finish(alice.agent.send('bob', 'the trip'));
  await world.finish(again.agent.send('alice', 'healed'));
  await world.rest();
  const healed = wiresTo(world, bob).length;
  for (let n = 0; n < 3; n++) await world.finish(alice.agent.send('bob', `later ${n}`));
  await world.rest();
  expect(again.texts).toHaveLength(5);
  const wires = wiresTo(world, bob);
  expect(opens(loot, wires.slice(before, healed)).join()).toContain('read by the thief');
  expect(wires.slice(healed)).toHaveLength(3);
  expect(opens(loot, wires.slice(healed))).toEqual([]);
});

test('T-S6 forward-secrecy: keys and database of bob open no message that he has read', () =>
  inFolder(async ({ folder }) => {
    await using world = await World.create();
    const path = join(folder, 'bob.json');
    const { keyPair, storeKey } = await loadOrCreateKeyFile(path, { unprotected: true });
    const store = SqliteAgentStore.beside(path, { storeKey });
    const bob = await world.agent('bob', { store, keyPair });
    const alice = await world.agent('alice');
    for (let n = 0; n < 20; n++) {
      await world.finish(alice.agent.send('bob', `secret ${n}`));
      if (n % 3 === 0) await world.finish(bob.agent.send('alice', `answer ${n}`));
    }
    // One is on its way for ever: the only one whose key bob still needs.
    world.hub.deviations.deliver = (delivery, to) => (to === 'bob' ? [] : [delivery]);
    await world.finish(alice.agent.send('bob', 'undelivered'));
    world.hub.deviations = {};
    await world.finish(alice.agent.send('bob', 'last'));
    await world.rest();
    // The last one waits behind it, in the inbox.
    expect(bob.texts).toHaveLength(20);
    // Within seconds the log, with all that was overwritten, is moved and emptied.
    while (statSync(`${store.path}-wal`).size > 0) {
      await new Promise((resolve) => {
        setTimeout(resolve, 50);
      });
    }
    const image = join(folder, 'image');
    mkdirSync(image, { mode: 0o700 });
    for (const name of ['bob.json', 'bob.db', 'bob.db-wal']) {
      copyFileSync(join(folder, name), join(image, name));
    }
    const stolen = await loadKeyFile(join(image, 'bob.json'));
    const copy = SqliteAgentStore.beside(join(image, 'bob.json'), stolen);
    await copy.open();
    const loot = await lootOf(copy, stolen.keyPair, world.host.clock());
    await copy.close();
    expect(wiresTo(world, keyPair).length).toBeGreaterThanOrEqual(22);
    const opened = opens(loot, wiresTo(world, keyPair));
    expect(opened).toHaveLength(1);
    expect(opened[0]).toContain('undelivered');
    const kept = [...loot.rows.values()].map((row) => Buffer.from(row).toString('latin1'));
    expect(kept.filter((row) => row.includes('secret'))).toEqual([]);
  }));

describe('T-S9 reset-storm', () => {
  /** A genuine message, 1,000 times, each time made into another that nobody can open. */
  async function storm(
    world: World,
    [alice, bob]: readonly [Resident, Resident],
    genuine: Uint8Array,
    spoil: (blob: Uint8Array, n: number) => void,
  ): Promise<void> {
    for (let n = 0; n < 1_000; n++) {
      const blob = genuine.slice();
      spoil(blob, n);
      const { aid } = alice.keyPair.identity;
      const envelope = { id: new Uint8Array(16), from: aid, to: bob.keyPair.identity.aid };
      world.hub.inject('bob', { envelope: { ...envelope, ts: world.host.clock(), blob } });
    }
    await world.rest();
  }

  /** Of type 2, in a session that nobody has. */
  const inNoSession = (blob: Uint8Array, n: number): void => {
    blob[1] = 2;
    new DataView(blob.buffer).setUint32(4, n);
  };
  const withOtherSalt = (blob: Uint8Array, n: number): void => {
    new DataView(blob.buffer).setUint32(60, n);
  };
  const resetsOf = ({ events }: Resident): number =>
    events.undecryptable.filter(({ reset }) => reset).length;

  test('1,000 unknown sessions a second provoke one reset in an hour', async () => {
    await using world = await World.create();
    const pair = await acquainted(world);
    const [alice, bob] = pair;
    const genuine = wiresTo(world, bob).at(-1) ?? new Uint8Array();
    await storm(world, pair, genuine, inNoSession);
    expect(bob.events.undecryptable).toHaveLength(1_000);
    expect(resetsOf(bob)).toBe(1);
    await world.advance(HOUR_MS / 2);
    await storm(world, pair, genuine, inNoSession);
    expect(resetsOf(bob)).toBe(1);
    await world.jump(HOUR_MS);
    await storm(world, pair, genuine, inNoSession);
    expect(resetsOf(bob)).toBe(2);
    expect(world.hub.passed.served.filter(({ by }) => by === 'bob')).toHaveLength(3);
    await world.finish(alice.agent.send('bob', 'still here'));
    await world.rest();
    expect(bob.texts).toEqual(['hello', 'still here']);
  });

  test('damage in the active session provokes none, in another one of the peer no more', async () => {
    await using world = await World.create();
    const pair = await acquainted(world);
    const [alice, bob] = pair;
    const genuine = wiresTo(world, bob).at(-1) ?? new Uint8Array();
    await storm(world, pair, genuine, withOtherSalt);
    expect(bob.events.refused).toHaveLength(1_000);
    expect(resetsOf(bob)).toBe(0);
    await storm(world, pair, genuine, inNoSession);
    expect(resetsOf(bob)).toBe(1);
    // Bob's new session has taken the place of the one that this is of.
    await storm(world, pair, genuine, withOtherSalt);
    expect(bob.events.undecryptable).toHaveLength(2_000);
    expect(resetsOf(bob)).toBe(1);
    await world.jump(HOUR_MS);
    await storm(world, pair, genuine, withOtherSalt);
    expect(resetsOf(bob)).toBe(2);
    await world.finish(alice.agent.send('bob', 'still here'));
    await world.rest();
    expect(bob.texts).toEqual(['hello', 'still here']);
  });
});

describe('T-R6 skipped cap and TTL', () => {
  test('keys of missing messages are bounded in number and time, and their end is told', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(alice.agent.connect('bob'));
    const bundle = world.hub.passed.served.at(-1)?.bundle;
    if (bundle === undefined) throw new TypeError('nothing was served');
    const forger = new Forger(alice.keyPair, bundle, world.host.clock());
    const say = (): Uint8Array =>
      forger.say({ fromName: 'alice', toName: 'bob', sentAtMs: world.host.clock() });
    const hear = async (blob: Uint8Array): Promise<number> => {
      const { aid } = alice.keyPair.identity;
      const envelope = { id: new Uint8Array(16), from: aid, to: bob.keyPair.identity.aid };
      world.hub.inject('bob', { envelope: { ...envelope, ts: world.host.clock(), blob } });
      await world.rest();
      const rows = await bob.store.rows();
      const [row = ''] = [...rows].flatMap(([key, value]) =>
        key.startsWith('peer/') ? [value] : [],
      );
      const { sessions } = decodePeer(Uint8Array.from(Buffer.from(row, 'hex')));
      return sessions.reduce((sum, { skipped }) => sum + skipped, 0);
    };
    expect(await hear(say())).toBe(0);
    const holes: Uint8Array[] = [];
    for (let round = 0; round < 2; round++) {
      for (let n = 0; n < 1_500; n++) holes.push(say());
      expect(await hear(say())).toBeLessThanOrEqual(LIMITS.skippedKeysPerSession);
    }
    const ofOneJump = 1_500 - LIMITS.skippedKeysPerJump;
    expect(bob.events.keysDropped).toEqual([
      { peer: 'alice', count: ofOneJump },
      { peer: 'alice', count: ofOneJump },
    ]);
    // The oldest are gone, the newest still open.
    await world.advance(60_000);
    const heard = bob.messages.length;
    await hear(holes[1_299] ?? new Uint8Array());
    expect(bob.messages).toHaveLength(heard);
    await hear(holes[1_300] ?? new Uint8Array());
    await hear(holes[2_999] ?? new Uint8Array());
    await world.advance(60_000);
    expect(bob.messages).toHaveLength(heard + 2);
    await world.jump(15 * DAY_MS);
    expect(await hear(say())).toBe(0);
    expect(bob.events.keysDropped).toHaveLength(3);
    expect(bob.events.keysDropped[2]).toEqual({ peer: 'alice', count: 398 });
  });

  test('T-R12 jumps: messages that jump 2,000 each are put off beyond a budget, and only their sender waits', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    const carol = await world.agent('carol');
    await world.finish(alice.agent.connect('bob'));
    const bundle = world.hub.passed.served.at(-1)?.bundle;
    if (bundle === undefined) throw new TypeError('nothing was served');
    const forger = new Forger(alice.keyPair, bundle, world.host.clock());
    const say = (): Uint8Array =>
      forger.say({ fromName: 'alice', toName: 'bob', sentAtMs: world.host.clock() });
    const inject = (blob: Uint8Array): void => {
      const ids = { from: alice.keyPair.identity.aid, to: bob.keyPair.identity.aid };
      const envelope = { id: new Uint8Array(16), ...ids, ts: world.host.clock(), blob };
      world.hub.inject('bob', { envelope });
    };
    inject(say());
    await world.rest();
    const taken = async (): Promise<number> =>
      [...(await bob.store.rows()).keys()].filter((key) => key.startsWith('inbox/')).length;
    let putOff: Uint8Array = new Uint8Array();
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 2_000; n++) say();
      putOff = say();
      inject(putOff);
    }
    await world.rest();
    // The burst pays for two jumps of 2,000; what is put off is neither lost nor refused.
    expect(await taken()).toBe(2);
    expect(bob.events.refused).toEqual([]);
    await world.finish(carol.agent.send('bob', 'from carol'));
    await world.rest();
    expect(bob.texts).toContain('from carol');
    // A hub delivers it again, and in time it is taken.
    await world.advance(60_000);
    inject(putOff);
    await world.advance(60_000);
    expect(bob.messages.filter(({ text }) => text === 'forged')).toHaveLength(4);
  });
});
