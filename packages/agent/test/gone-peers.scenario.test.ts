/**
 * Rows do not outlive what they belong to: of a peer that was forgotten, replaced or revoked, and
 * of an identity that was followed by another one, nothing remains but what is kept on purpose.
 */
import { describe, expect, test } from '@jest/globals';
import { aidOfAddress, toHex } from '@agentmesh/crypto';
import { decodePeer } from '../src/conversation/peer.js';
import { Agent } from '../src/index.js';
import { ROW } from '../src/store/row-keys.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** With what the rows of each kind go. */
const OWNERS: Readonly<Record<keyof typeof ROW, 'agent' | 'peer' | 'message' | 'time'>> = {
  meta: 'agent',
  hub: 'agent',
  openings: 'agent',
  hubTimeline: 'agent',
  lostTime: 'agent',
  beginning: 'agent',
  record: 'agent',
  prekeys: 'agent',
  rotation: 'agent',
  signedPrekey: 'time',
  oneTimePrekey: 'time',
  unaided: 'time',
  usedSession: 'time',
  usedUntil: 'time',
  former: 'time',
  revoked: 'agent',
  invite: 'time',
  name: 'peer',
  peer: 'peer',
  bundle: 'peer',
  session: 'peer',
  skipped: 'peer',
  skippedPart: 'peer',
  heard: 'peer',
  sent: 'peer',
  receipt: 'peer',
  outcome: 'peer',
  contact: 'peer',
  stranger: 'peer',
  pending: 'peer',
  gap: 'peer',
  unacked: 'peer',
  behind: 'peer',
  told: 'peer',
  taken: 'peer',
  loop: 'peer',
  key: 'peer',
  call: 'message',
  part: 'message',
  streamEnd: 'message',
  streamRead: 'message',
  produced: 'message',
  step: 'message',
  log: 'message',
};

/** What is kept on purpose: that a session was accepted once, and who was refused. */
const KEPT = /^(?:used|used-until|security)\//;

/** Keys of the rows in which a peer is named, or one of its sessions. */
async function rowsOf(
  { store }: Resident,
  { aids, sids }: { readonly aids: readonly string[]; readonly sids: readonly string[] },
): Promise<string[]> {
  const rows = [...(await store.rows())].filter(([key]) => !KEPT.test(key));
  const named = rows.filter(([key, value]) =>
    [...aids, ...sids].some((id) => key.includes(id) || value.includes(id)),
  );
  return named.map(([key]) => key);
}

async function marksOf(
  { store }: Resident,
  aid: Uint8Array,
): Promise<{ aids: string[]; sids: string[] }> {
  const row = await store.get(ROW.peer(aid));
  const sids = row === null ? [] : decodePeer(row).sessions.map(({ sid }) => toHex(sid));
  return { aids: [toHex(aid)], sids };
}

/** Kinds of rows, each once. */
const kinds = (keys: readonly string[]): string[] =>
  [...new Set(keys.map((key) => key.split('/')[0] ?? ''))].toSorted();

/** Alice and bob have said much, and some of it is under way, missing or owed. */
async function entangled(world: World): Promise<[Resident, Resident]> {
  const bob = await world.agentWithoutHandler('bob');
  bob.agent.onRequest(() => ({ text: 'fine' }));
  const alice = await world.agent('alice');
  await world.finish(bob.agent.send('alice', 'hello'));
  await world.finish(alice.agent.request('bob', { text: 'status?' }, { key: 'once' }));
  let passed = 0;
  // Every second message of alice is lost, and she hears nothing any more.
  world.hub.deviations.deliver = (delivery, to) => {
    if (to === 'alice') return [];
    passed += 1;
    return passed % 2 === 0 ? [] : [delivery];
  };
  for (let n = 0; n < 6; n++) await world.finish(alice.agent.send('bob', `${n}`));
  await world.advance(1_000);
  await bob.store.commit([{ put: ROW.loop(alice.keyPair.identity.aid), value: new Uint8Array(9) }]);
  return [alice, bob];
}

test('every kind of row is known with what it goes', () => {
  expect(Object.keys(OWNERS).toSorted()).toEqual(Object.keys(ROW).toSorted());
});

describe('a peer that is gone', () => {
  test('because it was forgotten leaves no row, and who waited for it is told', async () => {
    await using world = await World.create();
    const [alice, bob] = await entangled(world);
    const sent = await world.finish(bob.agent.send('alice', 'unread'));
    const marks = await marksOf(bob, alice.keyPair.identity.aid);
    expect(kinds(await rowsOf(bob, marks))).toEqual(
      expect.arrayContaining([
        ...['gap', 'heard', 'inbox', 'key', 'loop', 'name', 'peer', 'sent', 'session'],
        ...['skipped', 'unacked'],
      ]),
    );
    await bob.agent.contacts.forget('alice');
    const failed = { code: 'UNDELIVERED', message: expect.stringContaining('forgotten') };
    await expect(sent.handled).rejects.toMatchObject(failed);
    await expect(sent.delivered).rejects.toMatchObject(failed);
    // What had come before is still handled.
    expect(kinds(await rowsOf(bob, marks))).toEqual(['inbox']);
    bob.agent.onMessage(() => undefined);
    await world.close(alice);
    await world.advance(MINUTE_MS);
    expect(await rowsOf(bob, marks)).toEqual([]);
  });

  test('because it was forgotten is no stranger to itself: both sides go on when it comes again', async () => {
    await using world = await World.create();
    const bob = await world.agent('bob');
    const alice = await world.agent('alice');
    for (let n = 0; n < 3; n++) {
      await world.finish(alice.agent.send('bob', `from alice ${n}`));
      await world.finish(bob.agent.send('alice', `from bob ${n}`));
    }
    await world.advance(MINUTE_MS);
    await bob.agent.contacts.forget('alice');
    await world.finish(bob.agent.send('alice', 'who are you?'));
    await world.finish(alice.agent.send('bob', 'alice'));
    await world.advance(MINUTE_MS);
    expect(alice.texts.slice(3)).toEqual(['who are you?']);
    expect(bob.texts.slice(3)).toEqual(['alice']);
    await bob.agent.contacts.forget('alice');
    const sent = await world.finish(alice.agent.send('bob', 'again'));
    await world.advance(MINUTE_MS);
    await expect(sent.handled).resolves.toBeUndefined();
    expect(bob.texts.slice(4)).toEqual(['again']);
    // A newcomer misses nothing because of it.
    const carol = await world.agent('carol');
    await world.finish(bob.agent.send('carol', 'hello'));
    await world.advance(MINUTE_MS);
    expect(carol.texts).toEqual(['hello']);
    for (const { events } of [alice, bob, carol]) {
      expect([events.cloneOrRollback, events.peerInstanceChanged, events.storeRollback]).toEqual([
        [],
        [],
        [],
      ]);
    }
    expect([...alice.events.gap, ...carol.events.gap]).toEqual([]);
  });

  test('with the identities before leaves no row of any of them', async () => {
    await using world = await World.create();
    const bob = await world.agent('bob');
    const alice = await world.agent('alice');
    await world.finish(alice.agent.send('bob', 'one'));
    const former = await marksOf(bob, alice.keyPair.identity.aid);
    const next = world.keys();
    await world.finish(alice.agent.rotateIdentity(next));
    await world.finish(alice.agent.send('bob', 'two'));
    await world.advance(MINUTE_MS);
    const present = await marksOf(bob, next.identity.aid);
    await world.close(alice);
    await bob.agent.contacts.forget('alice');
    await world.advance(MINUTE_MS);
    const all = {
      aids: [...former.aids, ...present.aids],
      sids: [...former.sids, ...present.sids],
    };
    expect(await rowsOf(bob, all)).toEqual([]);
  });

  test('because its name is trusted as that of another one leaves no row', async () => {
    await using world = await World.create();
    const bob = await world.agent('bob');
    // An agent that keeps no keys gives its name back.
    const brief = (): Promise<Agent> =>
      world.finish(
        Agent.create('alice', { hub: world.hub, runtime: world.runtime(), logLevel: 'silent' }),
      );
    const first = await brief();
    await world.finish(bob.agent.send('alice', 'hello'));
    await world.finish(first.send('bob', 'hello'));
    await world.advance(MINUTE_MS);
    const marks = await marksOf(bob, aidOfAddress(first.address));
    expect(marks.sids).not.toEqual([]);
    await world.finish(first.close());
    const second = await brief();
    await expect(world.finish(bob.agent.send('alice', 'who are you'))).rejects.toMatchObject({
      code: 'IDENTITY_CHANGED',
    });
    await bob.agent.trust('alice', second.fingerprint);
    await world.advance(MINUTE_MS);
    expect(await rowsOf(bob, marks)).toEqual([]);
    await world.finish(second.close());
  });

  test('because it is void leaves only that it is', async () => {
    await using world = await World.create();
    const [alice, bob] = await entangled(world);
    const marks = await marksOf(bob, alice.keyPair.identity.aid);
    world.hub.deviations = {};
    await bob.agent.revoke(alice.agent.revocation());
    bob.agent.onMessage(() => undefined);
    await world.advance(HOUR_MS);
    expect(kinds(await rowsOf(bob, marks))).toEqual(['name', 'peer', 'revoked']);
  });
});

describe('an identity of ours that was followed', () => {
  test('leaves no mark that a peer owes an acknowledgement', async () => {
    await using world = await World.create();
    const bob = await world.agent('bob');
    const alice = await world.agent('alice');
    await world.finish(alice.agent.send('bob', 'hello'));
    await world.advance(MINUTE_MS);
    world.hub.deviations.deliver = (delivery, to) => (to === 'alice' ? [] : [delivery]);
    await world.finish(alice.agent.send('bob', 'not acknowledged'));
    await world.advance(MINUTE_MS);
    await world.close(bob);
    expect(kinds([...(await alice.store.rows()).keys()])).toContain('unacked');
    await world.finish(alice.agent.rotateIdentity(world.keys()));
    world.hub.deviations = {};
    // What it hears next it answers as another one, and nothing that asks for an acknowledgement.
    const again = await world.agent('bob', {}, bob);
    await world.finish(again.agent.send('alice', 'I hear you'));
    await world.advance(MINUTE_MS);
    expect(kinds([...(await alice.store.rows()).keys()])).not.toContain('unacked');
  });
});
