/**
 * Which names others see, and which are given back (`HubDirectoryStore`): the part of the store
 * suite about listing and about agents that keep no keys. Owns the tests.
 */
import { describe, expect, test } from '@jest/globals';
import type { ExpireRequest, HubStore } from '@agentmesh/hub-local';
import type { OpenStore } from './hub-under-test.js';
import {
  aidOf,
  blobOf,
  claimOf,
  envelopeOf,
  identityOf,
  keysOf,
  NOW_MS,
  publish,
  publishAs,
  register,
  signedOf,
  statusOf,
  withStore,
} from './store-samples.js';

const sweepAt = (nowMs: number, more: Partial<ExpireRequest>): ExpireRequest => ({
  nowMs,
  max: 100,
  keepNoticesMs: 1e9,
  ...more,
});

/** Which names others see: those with whose holders a session can begin. */
export function storeListing(open: OpenStore): void {
  describe('the list of names', () => {
    test('has a name once record and prekeys are there, in whatever order they came', () =>
      withStore(open, async (store, under) => {
        await register(store, 1);
        expect(await listed(store)).toEqual([]);
        await store.putIdentity(identityOf(1, 1));
        expect(await listed(store)).toEqual([]);
        await store.putPrekeys(keysOf({ signed: [] }));
        expect(await listed(store)).toEqual([]);
        await store.putPrekeys(keysOf());
        expect(await listed(store)).toEqual(['agent-1']);
        await store.claim(claimOf('agent-2', aidOf(2)));
        await store.putPrekeys(keysOf({ aid: aidOf(2) }));
        expect(await listed(store)).toEqual(['agent-1']);
        await store.putIdentity(identityOf(2, 1));
        const reopened = await under.reopen();
        expect(await listed(reopened)).toEqual(['agent-1', 'agent-2']);
      }));

    test('lacks a name whose prekeys were taken back, until new ones are there', () =>
      withStore(open, async (store) => {
        await publish(store);
        await store.putPrekeys(keysOf({ signed: [], oneTime: [], replaceAll: true }));
        expect(await listed(store)).toEqual([]);
        await store.putPrekeys(keysOf());
        expect(await listed(store)).toEqual(['agent-1']);
      }));

    test('lacks the name of a successor until its prekeys are there, and of whoever is void', () =>
      withStore(open, async (store) => {
        await publish(store);
        await store.putIdentity(identityOf(1, 1, { subject: aidOf(5) }));
        expect(await listed(store)).toEqual([]);
        await store.putPrekeys(keysOf({ signed: [signedOf(7)], oneTime: [] }));
        expect(await listed(store)).toEqual([]);
        await store.putPrekeys(keysOf({ aid: aidOf(5) }));
        expect(await listed(store)).toEqual(['agent-1']);
        await store.putRevocation({ aid: aidOf(1), revocation: blobOf(1, 110) });
        expect(await listed(store)).toEqual(['agent-1']);
        await store.putRevocation({ aid: aidOf(5), revocation: blobOf(5, 110) });
        expect(await listed(store)).toEqual([]);
      }));
  });
}

const nowMs = NOW_MS;
const listed = (store: HubStore) => store.names({ prefix: '', after: '', max: 9 });
const opening = { instance: blobOf(3, 16), boot: 4 };
const connects = { opening, isTransient: true };
const come = (store: HubStore, number: number, more = {}) =>
  store.claim(claimOf('bob', aidOf(number), { ...connects, ...more }));
/** Agent 1 as bob, transient, with its keys published; gives the number of its connection. */
const bobIn = async (store: HubStore): Promise<number> => {
  await publishAs(store, 'bob', 1, connects);
  const claim = await come(store, 1);
  return claim.status === 'ok' ? claim.connection : 0;
};

/** Names that are held only while their holders are connected. */
export function storeTransients(open: OpenStore): void {
  describe('a transient holder of a name', () => {
    test('has it until it has left, then whoever claims it first', () =>
      withStore(open, async (store) => {
        const connection = await bobIn(store);
        expect(await come(store, 2)).toEqual({ status: 'name_taken' });
        await store.leave({ aid: aidOf(1), connection: connection - 1, nowMs });
        expect(await come(store, 2)).toEqual({ status: 'name_taken' });
        await store.leave({ aid: aidOf(1), connection, nowMs });
        expect(await come(store, 2, { mayRegister: false })).toEqual({ status: 'not_registered' });
        const next = await come(store, 2);
        expect(next).toMatchObject({ registered: true, isTransient: true, forgotten: aidOf(1) });
        expect(await store.aidOfName('bob')).toEqual(aidOf(2));
        expect(await come(store, 1)).toEqual({ status: 'name_taken' });
        expect(await store.takeBundle({ aid: aidOf(1), oneTime: false, nowMs })).toBeNull();
        expect(await store.keys(aidOf(1))).toEqual({ newestSigned: null, oneTimeIds: [] });
        expect(await statusOf(store, envelopeOf(1, { to: aidOf(1) }))).toBe('unknown_recipient');
      }));

    test('is listed while it is connected, and again when it has come back', () =>
      withStore(open, async (store) => {
        const connection = await bobIn(store);
        expect(await listed(store)).toEqual(['bob']);
        await store.leave({ aid: aidOf(1), connection, nowMs });
        expect(await listed(store)).toEqual([]);
        expect(await come(store, 1)).toMatchObject({ registered: false, isTransient: true });
        expect(await listed(store)).toEqual(['bob']);
        expect(await come(store, 2)).toEqual({ status: 'name_taken' });
      }));

    test('gets it for ever with one claim that is not transient', () =>
      withStore(open, async (store, under) => {
        await bobIn(store);
        const kept = await come(store, 1, { isTransient: false });
        expect(kept).toMatchObject({ status: 'ok', isTransient: false });
        const again = await come(store, 1);
        expect(again).toMatchObject({ status: 'ok', isTransient: false });
        const { connection } = again as { connection: number };
        await store.leave({ aid: aidOf(1), connection, nowMs });
        expect(await listed(store)).toEqual(['bob']);
        const reopened = await under.reopen();
        await reopened.allLeft(nowMs);
        expect(await come(reopened, 2)).toEqual({ status: 'name_taken' });
        expect(await listed(reopened)).toEqual(['bob']);
      }));
  });
}

/** Names that nobody frees. */
export function storeKeptNames(open: OpenStore): void {
  describe('kept names', () => {
    test('T-A48 freed-name: who kept its keys at first loses its name by no later claim', () =>
      withStore(open, async (store) => {
        await publishAs(store, 'bob', 1, { opening });
        const claim = await come(store, 1);
        expect(claim).toMatchObject({ status: 'ok', isTransient: false });
        const { connection } = claim as { connection: number };
        await store.leave({ aid: aidOf(1), connection, nowMs });
        expect(await come(store, 2)).toEqual({ status: 'name_taken' });
        // Nor does a reservation on its owner's word, which makes no connection.
        await register(store, 3);
        await store.leave({ aid: aidOf(3), connection: 0, nowMs });
        const taken = await store.claim(claimOf('agent-3', aidOf(4), connects));
        expect(taken).toEqual({ status: 'name_taken' });
      }));

    test('that was revoked keeps it for ever', () =>
      withStore(open, async (store) => {
        const connection = await bobIn(store);
        await store.putRevocation({ aid: aidOf(1), revocation: blobOf(1, 110) });
        await store.leave({ aid: aidOf(1), connection, nowMs });
        expect(await come(store, 2)).toEqual({ status: 'name_taken' });
        const expired = await store.expire(sweepAt(nowMs + 10, { transientMs: 1 }));
        expect(expired.forgotten).toEqual([]);
        expect(await come(store, 1)).toEqual({ status: 'revoked' });
      }));
  });
}

/** What becomes of a transient holder later. */
export function storeTransientsGone(open: OpenStore): void {
  describe('a transient holder of a name, later', () => {
    test('hands it to its successor, which is transient too, also if that never comes', () =>
      withStore(open, async (store) => {
        const connection = await bobIn(store);
        await store.putIdentity(identityOf(1, 1, { name: 'bob', subject: aidOf(5) }));
        expect(await come(store, 2)).toEqual({ status: 'name_taken' });
        await store.leave({ aid: aidOf(1), connection, nowMs });
        const back = await come(store, 5);
        expect(back).toMatchObject({ status: 'ok', registered: false, isTransient: true });
        const { connection: own } = back as { connection: number };
        expect(await come(store, 2)).toEqual({ status: 'name_taken' });
        await store.leave({ aid: aidOf(5), connection: own, nowMs });
        expect(await come(store, 2)).toMatchObject({ forgotten: aidOf(5) });
      }));

    test('is forgotten some time after it has left, with its name and its keys', () =>
      withStore(open, async (store) => {
        const connection = await bobIn(store);
        await store.leave({ aid: aidOf(1), connection, nowMs });
        const early = await store.expire(sweepAt(nowMs + 5, { transientMs: 10 }));
        expect(early.forgotten).toEqual([]);
        const later = await store.expire(sweepAt(nowMs + 3_600_000, { transientMs: 10 }));
        expect(later.forgotten).toEqual([aidOf(1)]);
        expect(await store.aidOfName('bob')).toBeNull();
        expect(await come(store, 2)).toMatchObject({ registered: true, forgotten: null });
      }));
  });
}
