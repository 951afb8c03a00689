/**
 * The directory half of the store suite: names, records and prekeys (`HubDirectoryStore`).
 * Owns the tests; what a store is, `hub-under-test` says.
 */
import { describe, expect, test } from '@jest/globals';
import type { HubStore } from '@agentmesh/hub-local';
import type { OpenStore } from './hub-under-test.js';
import {
  aidOf,
  blobOf,
  claimOf,
  identityOf,
  keysOf,
  NOW_MS,
  oneTimeOf,
  publish,
  publishAs,
  quota,
  register,
  signedOf,
  withStore,
} from './store-samples.js';

const take = (store: HubStore, nowMs = NOW_MS) =>
  store.takeBundle({ aid: aidOf(1), oneTime: true, nowMs });

/** Names and the hub's own key. */
export function storeNames(open: OpenStore): void {
  describe('names', () => {
    test('the hub seed is made once and is the same after reopening', () =>
      withStore(open, async (store, under) => {
        expect(await store.hubSeed(() => aidOf(7))).toEqual(aidOf(7));
        expect(await store.hubSeed(() => aidOf(8))).toEqual(aidOf(7));
        const reopened = await under.reopen();
        expect(await reopened.hubSeed(() => aidOf(9))).toEqual(aidOf(7));
      }));

    test('the store says which one it is, also after reopening, and its timeline', () =>
      withStore(open, async (store, under) => {
        const { store: id, timelines } = await store.history();
        expect([id.length, timelines[0]?.length]).toEqual([16, 16]);
        expect(await store.history()).toEqual({ store: id, timelines });
        const reopened = await under.reopen();
        expect(await reopened.history()).toMatchObject({ store: id });
      }));

    test('a free name is bound once, and never to another identity', () =>
      withStore(open, async (store) => {
        const first = await store.claim(claimOf('bob', aidOf(1)));
        expect(first).toMatchObject({ status: 'ok', registered: true, retired: false });
        expect(await store.claim(claimOf('bob', aidOf(2)))).toEqual({ status: 'name_taken' });
        expect(await store.claim(claimOf('bob', aidOf(1)))).toMatchObject({ registered: false });
        expect(await store.aidOfName('bob')).toEqual(aidOf(1));
        expect(await store.aidOfName('bobby')).toBeNull();
      }));

    test('of claims at the same time one wins', () =>
      withStore(open, async (store) => {
        const numbers = [1, 2, 3, 4, 5, 6, 7, 8];
        const claims = await Promise.all(numbers.map((n) => store.claim(claimOf('x', aidOf(n)))));
        expect(claims.filter((claim) => claim.status === 'ok')).toHaveLength(1);
      }));

    test('one identity has one name', () =>
      withStore(open, async (store) => {
        await store.claim(claimOf('bob', aidOf(1)));
        expect(await store.claim(claimOf('rob', aidOf(1)))).toEqual({ status: 'other_name' });
        expect(await store.aidOfName('rob')).toBeNull();
      }));

    test('without permission a free name stays free and a bound one is let in', () =>
      withStore(open, async (store) => {
        const closed = { mayRegister: false };
        const refused = await store.claim(claimOf('bob', aidOf(1), closed));
        expect(refused).toEqual({ status: 'not_registered' });
        await store.claim(claimOf('bob', aidOf(1)));
        expect(await store.claim(claimOf('bob', aidOf(1), closed))).toMatchObject({ status: 'ok' });
      }));

    test('names are listed in order, by prefix, page after page', () =>
      withStore(open, async (store) => {
        const names = ['b', 'ab', 'a', 'a.1', 'a-1', 'ac', 'a_1', 'ab2'];
        await Promise.all(names.map((name, at) => publishAs(store, name, at + 1)));
        const all = await store.names({ prefix: '', after: '', max: 100 });
        expect(all).toEqual(names.toSorted());
        expect(await store.names({ prefix: 'ab', after: '', max: 100 })).toEqual(['ab', 'ab2']);
        expect(await store.names({ prefix: '', after: 'a-1', max: 2 })).toEqual(['a.1', 'a_1']);
        expect(await store.names({ prefix: 'ab', after: 'ab2', max: 2 })).toEqual([]);
        expect(await store.names({ prefix: 'b', after: 'a', max: 9 })).toEqual(['b']);
      }));
  });
}

/** Openings of agents' stores, and their order. */
export function storeOpenings(open: OpenStore): void {
  describe('openings', () => {
    test('the last store opening is kept, also over reopening and a claim without one', () =>
      withStore(open, async (store, under) => {
        const opening = { instance: blobOf(3, 16), boot: 4 };
        const first = await store.claim(claimOf('bob', aidOf(1), { opening }));
        expect(first).toMatchObject({ lastOpening: null });
        await store.claim(claimOf('bob', aidOf(1)));
        const reopened = await under.reopen();
        const next = await reopened.claim(claimOf('bob', aidOf(1), { opening }));
        expect(next).toMatchObject({ lastOpening: opening });
      }));

    test('connections of one identity are numbered in their order', () =>
      withStore(open, async (store) => {
        const opening = { instance: blobOf(3, 16), boot: 4 };
        const claims = Array.from({ length: 8 }, () =>
          store.claim(claimOf('bob', aidOf(1), { opening })),
        );
        const numbers = (await Promise.all(claims)).map((claim) =>
          claim.status === 'ok' ? claim.connection : 0,
        );
        expect(new Set(numbers).size).toBe(8);
        const last = await store.claim(claimOf('bob', aidOf(1), { opening }));
        expect(last).toMatchObject({ status: 'ok', spent: null });
        const rising = 'connection' in last && numbers.every((one) => one < last.connection);
        expect(rising).toBe(true);
      }));
  });
}

/** Identity records and succession. */
export function storeIdentities(open: OpenStore): void {
  describe('identity records', () => {
    test('a newer revision replaces, an older one or other bytes of the same do not', () =>
      withStore(open, async (store) => {
        await publish(store);
        expect(await store.putIdentity(identityOf(1, 3))).toBe('stored');
        expect(await store.putIdentity(identityOf(1, 3))).toBe('stored');
        expect(await store.putIdentity(identityOf(1, 2))).toBe('stale');
        const other = { record: blobOf(99, 300) };
        expect(await store.putIdentity(identityOf(1, 3, other))).toBe('stale');
        const bundle = await store.takeBundle({ aid: aidOf(1), oneTime: false, nowMs: NOW_MS });
        expect(bundle?.record).toEqual(blobOf(3, 300));
      }));

    test('no agent publishes under a name that it does not hold', () =>
      withStore(open, async (store) => {
        await register(store, 2);
        expect(await store.putIdentity(identityOf(1, 1, { name: 'agent-2' }))).toBe('not_owner');
        expect(await store.putIdentity(identityOf(9, 1))).toBe('not_owner');
      }));

    test('a successor takes the name; the predecessor is retired and then gone', () =>
      withStore(open, async (store) => {
        await publish(store);
        expect(await store.putIdentity(identityOf(1, 1, { subject: aidOf(5) }))).toBe('stored');
        expect(await store.aidOfName('agent-1')).toEqual(aidOf(5));
        const again = await store.putIdentity(identityOf(1, 2));
        expect(again).toBe('not_owner');
        expect(await store.claim(claimOf('agent-1', aidOf(5)))).toMatchObject({ retired: false });
        expect(await store.claim(claimOf('agent-1', aidOf(1)))).toMatchObject({ retired: true });
        const late = { nowMs: NOW_MS + quota.retiredMs };
        const gone = await store.claim(claimOf('agent-1', aidOf(1), late));
        expect(gone).toEqual({ status: 'name_taken' });
      }));

    test('an identity that holds a name succeeds nobody', () =>
      withStore(open, async (store) => {
        await register(store, 2);
        const taken = identityOf(1, 1, { subject: aidOf(2) });
        expect(await store.putIdentity(taken)).toBe('not_owner');
        expect(await store.aidOfName('agent-1')).toEqual(aidOf(1));
      }));
  });
}

/** Prekeys and how they are replaced. */
export function storePrekeys(open: OpenStore): void {
  describe('prekeys', () => {
    test('there is no bundle before the record, and no one-time prekey without a signed one', () =>
      withStore(open, async (store) => {
        expect(await take(store)).toBeNull();
        await register(store, 1);
        await store.putPrekeys(keysOf({ signed: [] }));
        expect(await take(store)).toBeNull();
        await store.putIdentity(identityOf(1, 1));
        expect(await take(store)).toMatchObject({
          record: blobOf(1, 300),
          signed: null,
          oneTime: null,
        });
        await store.putPrekeys(keysOf());
        expect(await take(store)).toEqual({
          record: blobOf(1, 300),
          signed: blobOf(1, 1337),
          oneTime: blobOf(1, 1337),
          revocation: null,
          retired: false,
        });
      }));

    test('the newest signed prekeys stay, and the newest is served', () =>
      withStore(open, async (store) => {
        await publish(store, { signed: [signedOf(1, NOW_MS), signedOf(2, NOW_MS + 5)] });
        await store.putPrekeys(keysOf({ signed: [signedOf(3, NOW_MS + 2)], oneTime: [] }));
        expect((await take(store))?.signed).toEqual(blobOf(2, 1337));
        expect((await store.keys(aidOf(1))).newestSigned).toEqual(blobOf(2, 1337));
      }));

    test('an upload is stored whole or not at all', () =>
      withStore(open, async (store) => {
        await publish(store);
        const before = await store.keys(aidOf(1));
        const limit = await store.putPrekeys(keysOf({ oneTime: [oneTimeOf(3)], maxOneTime: 2 }));
        expect(limit).toEqual({ status: 'limit' });
        const reused = { ...oneTimeOf(1), bytes: blobOf(77, 1337) };
        const upload = keysOf({
          signed: [signedOf(9, NOW_MS + 9)],
          oneTime: [oneTimeOf(4), reused],
        });
        expect(await store.putPrekeys(upload)).toEqual({ status: 'conflict' });
        expect(await store.keys(aidOf(1))).toEqual(before);
        expect(await store.putPrekeys(keysOf())).toMatchObject({ status: 'ok', keys: before });
      }));

    test('replaceAll leaves nothing of what was there', () =>
      withStore(open, async (store) => {
        await publish(store);
        const all = keysOf({ replaceAll: true, signed: [signedOf(5)], oneTime: [oneTimeOf(6)] });
        expect(await store.putPrekeys(all)).toMatchObject({ keys: { oneTimeIds: [6] } });
        expect((await take(store))?.signed).toEqual(blobOf(5, 1337));
      }));
  });
}

/** Their hand-out, each once. */
export function storeOneTimePrekeys(open: OpenStore): void {
  describe('one-time prekeys', () => {
    test('every one-time prekey is handed out once, however many ask at once', () =>
      withStore(open, async (store) => {
        const oneTime = Array.from({ length: 50 }, (_, at) => oneTimeOf(at + 1));
        await publish(store, { oneTime });
        const bundles = await Promise.all(Array.from({ length: 60 }, () => take(store)));
        const served = bundles.flatMap((bundle) => bundle?.oneTime?.[0] ?? []);
        expect(served.toSorted((a, b) => a - b)).toEqual(oneTime.map((key) => key.bytes[0]));
        expect(bundles.every((bundle) => bundle !== null)).toBe(true);
        expect((await store.keys(aidOf(1))).oneTimeIds).toEqual([]);
      }));

    test('what was handed out stays out over reopening', () =>
      withStore(open, async (store, under) => {
        await publish(store);
        await take(store);
        const reopened = await under.reopen();
        expect((await reopened.keys(aidOf(1))).oneTimeIds).toEqual([2]);
      }));

    test('an expired one-time prekey is not handed out', () =>
      withStore(open, async (store) => {
        await publish(store, { oneTime: [oneTimeOf(1, NOW_MS), oneTimeOf(2, NOW_MS + 1)] });
        expect((await take(store))?.oneTime).toEqual(blobOf(2, 1337));
        expect((await take(store))?.oneTime).toBeNull();
      }));

    test('a bundle without a wish for a one-time prekey takes none', () =>
      withStore(open, async (store) => {
        await publish(store);
        const bundle = await store.takeBundle({ aid: aidOf(1), oneTime: false, nowMs: NOW_MS });
        expect(bundle?.oneTime).toBeNull();
        expect((await store.keys(aidOf(1))).oneTimeIds).toHaveLength(2);
      }));
  });
}
