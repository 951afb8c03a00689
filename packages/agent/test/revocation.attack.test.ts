/**
 * T-K10: a revoked identity is void for ever, whoever shows the revocation and whoever hides it.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { createIdentityRecord, createRevocation, REVOCATION_REASON } from '@agentmesh/crypto';
import { decodeBundle, ProtocolError, toBase64Url } from '@agentmesh/protocol';
import { bundleOf, envelopeTo, Forger, hubIdOfBundle } from './forger.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const REVOKED = expect.objectContaining({ code: 'REVOKED' });

/** Both have written to each other. */
async function spoken(world: World): Promise<[Resident, Resident]> {
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  await world.finish(alice.agent.send('bob', 'hello'));
  await world.finish(bob.agent.send('alice', 'hello too'));
  await world.advance(1_000);
  return [alice, bob];
}

const rowsOf = async ({ store }: Resident, prefix: string): Promise<string[]> =>
  [...(await store.rows()).keys()].filter((key) => key.startsWith(prefix));

/** Whatever an agent does, until the world has come to rest. */
const outcome = (world: World, promise: Promise<unknown>): Promise<unknown> =>
  world.finish(promise.catch((error: unknown) => error));

describe('T-K10 revocation', () => {
  test('by its owner ends the agent, its sessions, and what peers send and take', async () => {
    await using world = await World.create();
    const [alice, bob] = await spoken(world);
    const record = bob.agent.revocation('keyCompromised');
    await world.finish(bob.agent.revoke(record));
    await world.advance(1_000);
    expect(bob.events.stopped).toEqual([{ error: REVOKED }]);
    expect(alice.events.peerRevoked).toEqual([
      {
        peer: 'bob',
        address: bob.keyPair.address,
        reason: REVOCATION_REASON.keyCompromised,
        timeMs: expect.any(Number),
      },
    ]);
    expect(await outcome(world, alice.agent.send('bob', 'still there?'))).toEqual(REVOKED);
    expect(await outcome(world, alice.agent.connect('bob'))).toEqual(REVOKED);
    expect(await rowsOf(alice, 'session/')).toEqual([]);
    expect(await rowsOf(alice, 'sent/')).toEqual([]);
    expect(await outcome(world, bob.agent.send('alice', 'me?'))).toEqual(REVOKED);
    await world.close(bob);
    expect(await outcome(world, world.agent('bob', {}, bob))).toEqual(REVOKED);
  });

  test('from a text that was put away works when the store is lost', async () => {
    await using world = await World.create();
    const [alice, bob] = await spoken(world);
    const record = bob.agent.revocation();
    await world.close(bob);
    const carol = await world.agent('carol');
    await world.finish(carol.agent.revoke(record));
    expect(await outcome(world, world.agent('bob', {}, { keyPair: bob.keyPair }))).toEqual(REVOKED);
    // Alice learns it with the next bundle, or from the hub's refusal.
    expect(await outcome(world, alice.agent.send('bob', 'x'))).toEqual(REVOKED);
    expect(await outcome(world, carol.agent.send('bob', 'x'))).toEqual(REVOKED);
  });

  test('written down with the keys, and again with those that follow, can be shown later', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'agentmesh-revocation-'));
    await using world = await World.create();
    const options = { keypairPath: join(folder, 'bob.json'), keyPair: undefined };
    const bob = await world.agent('bob', options);
    const revocations = (): string[] =>
      readdirSync(folder).filter((name) => name.endsWith('.revocation'));
    expect(revocations()).toHaveLength(1);
    const before = revocations();
    await world.finish(bob.agent.rotateIdentity());
    expect(revocations()).toHaveLength(2);
    const [name = ''] = revocations().filter((each) => !before.includes(each));
    expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    const text = readFileSync(join(folder, name), 'utf8');
    const carol = await world.agent('carol');
    await world.finish(carol.agent.revoke(text));
    expect(await outcome(world, carol.agent.send('bob', 'x'))).toEqual(REVOKED);
    await rm(folder, { recursive: true });
  });

  test('before the first session: nobody can be written to, and nobody becomes a peer', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(bob.agent.revoke(bob.agent.revocation()));
    expect(await outcome(world, alice.agent.send('bob', 'x'))).toEqual(REVOKED);
    expect(await outcome(world, alice.agent.send(bob.keyPair.address, 'x'))).toEqual(REVOKED);
    expect(await alice.agent.peers()).toEqual([]);
    expect(await rowsOf(alice, 'revoked/')).toHaveLength(1);
    // Not either when the hub hides it later.
    world.hub.deviations.bundle = ({ record, signed }) => ({ record, signed });
    expect(await outcome(world, alice.agent.send('bob', 'x'))).toMatchObject({
      code: expect.any(String),
    });
  });

  test('while messages wait in both directions: none is sent, none is taken', async () => {
    await using world = await World.create();
    const [alice, bob] = await spoken(world);
    const record = bob.agent.revocation();
    world.network.goDown();
    const waiting = outcome(world, alice.agent.send('bob', 'waits'));
    const stolen = outcome(world, bob.agent.send('alice', 'of a thief'));
    await world.rest();
    await world.network.comeBack();
    world.hub.deviations.deliver = () => [];
    await world.finish(alice.agent.revoke(record));
    await world.advance(1_000);
    delete world.hub.deviations.deliver;
    await Promise.all([waiting, stolen]);
    await world.advance(120_000);
    expect(alice.texts).toEqual(['hello too']);
    expect(alice.events.peerRevoked).toHaveLength(1);
    expect(await alice.agent.status()).toMatchObject({ outbox: 0 });
  });

  test('cannot be undone: not by a restart, not by trust, not by a hub that hides it', async () => {
    await using world = await World.create();
    const [alice, bob] = await spoken(world);
    const record = bob.agent.revocation();
    await world.close(bob);
    await world.finish(alice.agent.revoke(record));
    await world.finish(alice.agent.revoke(record));
    world.hub.deviations.bundle = ({ record: bytes, signed, oneTime }) => ({
      record: bytes,
      signed,
      oneTime,
    });
    const again = await world.restart(alice);
    expect(again.events.peerRevoked).toEqual([]);
    await outcome(world, again.agent.trust('bob', bob.agent.fingerprint));
    expect(await outcome(world, again.agent.send('bob', 'x'))).toEqual(REVOKED);
    const bundle = await outcome(world, again.agent.connect(bob.keyPair.address));
    expect(bundle).toEqual(REVOKED);
  });

  test('that was not completed before a crash is completed by the next run', async () => {
    await using world = await World.create();
    const [alice, bob] = await spoken(world);
    const record = bob.agent.revocation();
    let kept = false;
    alice.store.beforeCommit = (operations) => {
      if (kept) throw new Error('the disk is gone');
      kept = operations.some((each) => 'put' in each && each.put.startsWith('revoked/'));
    };
    await outcome(world, alice.agent.revoke(record));
    await world.close(alice);
    const store = await alice.store.copy();
    const again = await world.agent('alice', {}, { keyPair: alice.keyPair, store });
    await world.rest();
    expect(again.events.peerRevoked).toHaveLength(1);
    expect(await outcome(world, again.agent.send('bob', 'x'))).toEqual(REVOKED);
  });

  test('by anybody else is refused, by hub and agents, and changes nothing', async () => {
    await using world = await World.create();
    const [alice, bob] = await spoken(world);
    const mallory = world.keys();
    const forged = createRevocation(mallory, { timeMs: 1, reason: 1 }).slice();
    forged.set(bob.keyPair.identity.aid, 5);
    const flipped = Buffer.from(bob.agent.revocation(), 'base64url');
    flipped[109] = (flipped[109] ?? 0) ^ 1;
    for (const bytes of [forged, Uint8Array.from(flipped)]) {
      const refusal = await outcome(world, alice.agent.revoke(toBase64Url(bytes)));
      expect(refusal).toMatchObject({ code: 'BAD_RECORD' });
    }
    for (const rubbish of ['', 'x', 'AAAA', null as never]) {
      expect(await outcome(world, alice.agent.revoke(rubbish))).toMatchObject({
        code: 'BAD_RECORD',
      });
    }
    const stranger = createRevocation(mallory, { timeMs: 1, reason: 1 });
    expect(await outcome(world, alice.agent.revoke(toBase64Url(stranger)))).toMatchObject({
      code: 'UNKNOWN_PEER',
    });
    // A hub that says so without the owner's signature is not believed either.
    world.hub.deviations.bundle = (bundle) => ({ ...bundle, revocation: forged });
    await world.jump(8 * 86_400_000);
    await outcome(world, alice.agent.send('bob', 'renewed'));
    expect(alice.events.peerRevoked).toEqual([]);
    expect(await rowsOf(alice, 'revoked/')).toEqual([]);
  });

  test('a revoked identity vouches for no successor', async () => {
    await using world = await World.create();
    const [alice, bob] = await spoken(world);
    await world.finish(bob.agent.rotateIdentity(world.keys()));
    const carol = await world.agent('carol');
    const record = createRevocation(bob.keyPair, { timeMs: 1, reason: 1 });
    await world.finish(carol.agent.revoke(toBase64Url(record)));
    await world.jump(8 * 86_400_000);
    expect(await outcome(world, alice.agent.connect('bob'))).toMatchObject({
      code: expect.any(String),
    });
    expect(alice.events.identityRotated).toEqual([]);
    expect(alice.events.peerRevoked).toHaveLength(1);
  });

  test.each([0, 1])(
    'a thief whose chain begins %i links before stolen keys that are revoked is not followed',
    async (links) => {
      await using world = await World.create();
      const [alice, bob] = await spoken(world);
      const [thief, stolen] = [world.keys(), links === 0 ? bob.keyPair : world.keys()];
      if (links > 0) await world.finish(bob.agent.rotateIdentity(stolen));
      const text = toBase64Url(createRevocation(stolen, { timeMs: 1, reason: 1 }));
      await world.finish(alice.agent.revoke(text));
      // From now on the hub hides the revocation, and gives the name to the thief.
      const nowMs = world.host.clock();
      world.hub.deviations.bundle = ({ record }, { peer }) => {
        if (peer !== 'bob') return { record };
        const place = { name: 'bob', hubId: hubIdOfBundle({ record }) };
        const times = { createdMs: nowMs, validUntilMs: nowMs + 86_400_000, revision: 1 };
        const forged = { ...place, ...times, keyPair: thief, previous: stolen };
        return { ...bundleOf(thief, { ...place, nowMs }), record: createIdentityRecord(forged) };
      };
      const victim = decodeBundle(await world.local.getBundle('alice'));
      const blob = new Forger(thief, victim, nowMs).say({
        fromName: 'bob',
        toName: 'alice',
        sentAtMs: nowMs,
      });
      world.hub.inject('alice', envelopeTo(alice, thief.identity.aid, blob));
      await world.advance(1_000);
      expect(alice.texts).toEqual(['hello too']);
      expect(alice.events.identityRotated).toEqual([]);
    },
  );

  test('no hub keeps it from being honoured: not by a refusal, not by being away', async () => {
    await using world = await World.create();
    const [alice, bob] = await spoken(world);
    const carol = await world.agent('carol');
    await world.finish(carol.agent.send('bob', 'hello'));
    const record = bob.agent.revocation();
    await world.close(bob);
    world.hub.deviations.putRevocation = () => {
      throw new ProtocolError('INTERNAL');
    };
    expect(await outcome(world, alice.agent.revoke(record))).toMatchObject({ code: 'INTERNAL' });
    await world.rest();
    expect(alice.events.peerRevoked).toHaveLength(1);
    expect(await outcome(world, alice.agent.send('bob', 'x'))).toEqual(REVOKED);
    world.network.goDown();
    const shown = carol.agent.revoke(record);
    await world.advance(1_000);
    expect(carol.events.peerRevoked).toHaveLength(1);
    delete world.hub.deviations.putRevocation;
    await world.network.comeBack();
    await world.finish(shown);
  });

  test.each(['refuses', 'is away'])('its owner ends when the hub %s, and says so', async (what) => {
    await using world = await World.create();
    const [, bob] = await spoken(world);
    world.hub.deviations.putRevocation = () => {
      throw new ProtocolError('INTERNAL');
    };
    if (what === 'is away') world.network.goDown();
    const code = what === 'is away' ? 'CONNECTION_LOST' : 'INTERNAL';
    const revoked = outcome(world, bob.agent.revoke(bob.agent.revocation()));
    expect(await revoked).toMatchObject({ code });
    expect(bob.events.stopped).toEqual([{ error: REVOKED }]);
    await world.network.comeBack();
  });

  test('leaves nothing owed to the revoked peer, nor later by what he had sent', async () => {
    await using world = await World.create();
    const alice = await world.agentWithoutHandler('alice');
    const bob = await world.agent('bob');
    for (let n = 0; n < 70; n++) await world.finish(bob.agent.send('alice', `unread ${n}`));
    const record = bob.agent.revocation();
    await world.close(bob);
    await world.finish(alice.agent.revoke(record));
    await world.rest();
    alice.agent.onMessage(() => {});
    await world.advance(5_000);
    expect(await rowsOf(alice, 'inbox/')).toEqual([]);
    expect(await rowsOf(alice, 'outcome/')).toEqual([]);
  });

  test('of who is no peer yet, or of oneself, needs no hub that tells of it', async () => {
    await using world = await World.create();
    const [alice, bob] = await spoken(world);
    const carol = await world.agent('carol');
    await world.finish(alice.agent.revoke(carol.agent.revocation()));
    const { signed } = bundleOf(carol.keyPair, {
      name: 'carol',
      hubId: new Uint8Array(32),
      nowMs: world.host.clock(),
    });
    world.hub.deviations.bundle = ({ record }) => ({ record, signed });
    expect(await outcome(world, alice.agent.send('carol', 'x'))).toEqual(REVOKED);
    expect(await alice.agent.peers()).toMatchObject([{ name: 'bob' }]);
    await world.finish(bob.agent.revoke(bob.agent.revocation()));
    await world.close(bob);
    const withoutHub = world.agent('bob', { hub: undefined }, bob);
    expect(await outcome(world, withoutHub)).toEqual(REVOKED);
  });

  test('a hidden revocation is bounded by the lifetime of the record', async () => {
    await using world = await World.create();
    const [alice, bob] = await spoken(world);
    const served = world.hub.passed.served.find(({ peer }) => peer === 'bob')?.bundle;
    if (served === undefined) throw new Error('no bundle of bob was served');
    await world.close(bob);
    const carol = await world.agent('carol');
    const text = toBase64Url(createRevocation(bob.keyPair, { timeMs: 1, reason: 1 }));
    await world.finish(carol.agent.revoke(text));
    world.hub.deviations.bundle = (bundle, { peer }) => (peer === 'bob' ? served : bundle);
    await world.jump(91 * 86_400_000);
    expect(await outcome(world, alice.agent.connect('bob'))).toMatchObject({ code: 'EXPIRED' });
  });
});
