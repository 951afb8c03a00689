/**
 * The store suite's part about identities that are over: succeeded, or revoked for ever
 * (protocol.md §2.13). Owns the tests.
 */
import { describe, expect, test } from '@jest/globals';
import type { HubStore } from '@agentmesh/hub-local';
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
  quota,
  register,
  signedOf,
  statusOf,
  withStore,
} from './store-samples.js';

const DAY_MS = 86_400_000;
const FIRST = blobOf(1, 110);
const SECOND = blobOf(2, 110);

const revoke = (store: HubStore, number: number, revocation = FIRST) =>
  store.putRevocation({ aid: aidOf(number), revocation });

const bundleOf = (store: HubStore, number: number, nowMs = NOW_MS) =>
  store.takeBundle({ aid: aidOf(number), oneTime: true, nowMs });

const ALONE = { signed: null, oneTime: null };

/** An identity whose name a successor took. */
export function storeSuccession(open: OpenStore): void {
  describe('a succeeded identity', () => {
    const handover = (from: number, to: number, more = {}) =>
      identityOf(from, 1, { subject: aidOf(to), name: 'agent-1', ...more });

    test('keeps its record, alone, for ever: so a chain can be followed backwards', () =>
      withStore(open, async (store, under) => {
        await publish(store);
        await store.putIdentity(handover(1, 5, { record: blobOf(5, 300) }));
        await store.putIdentity(handover(5, 6, { record: blobOf(6, 300) }));
        const reopened = await under.reopen();
        for (const nowMs of [NOW_MS, NOW_MS + 91 * DAY_MS]) {
          const over = { ...ALONE, retired: true, revocation: null };
          expect(await bundleOf(reopened, 1, nowMs)).toEqual({ ...over, record: blobOf(1, 300) });
          expect(await bundleOf(reopened, 5, nowMs)).toEqual({ ...over, record: blobOf(5, 300) });
        }
        expect(await bundleOf(reopened, 6)).toMatchObject({
          record: blobOf(6, 300),
          retired: false,
        });
        expect((await reopened.keys(aidOf(1))).oneTimeIds).toEqual([1, 2]);
      }));

    test('may ask for the very same succession again, and for nothing else', () =>
      withStore(open, async (store, under) => {
        await publish(store);
        expect(await store.putIdentity(handover(1, 5))).toBe('stored');
        const late = { nowMs: NOW_MS + 5 };
        expect(await store.putIdentity(handover(1, 5, late))).toBe('stored');
        const reopened = await under.reopen();
        expect(await reopened.putIdentity(handover(1, 5))).toBe('stored');
        const others = [
          handover(1, 5, { record: blobOf(77, 300) }),
          handover(1, 7),
          handover(1, 1),
          identityOf(1, 2),
        ];
        for (const other of others) expect(await reopened.putIdentity(other)).toBe('not_owner');
        // Asked again much later, it does not begin to retire anew.
        await reopened.putIdentity(handover(1, 5, { nowMs: NOW_MS + quota.retiredMs }));
        const over = claimOf('agent-1', aidOf(1), { nowMs: NOW_MS + quota.retiredMs });
        expect(await reopened.claim(over)).toEqual({ status: 'name_taken' });
        expect(await reopened.aidOfName('agent-1')).toEqual(aidOf(5));
        const bundle = await bundleOf(reopened, 5);
        expect(bundle?.record).toEqual(blobOf(1, 300));
      }));
  });
}

/** An identity that is void. */
export function storeRevocation(open: OpenStore): void {
  describe('a revoked identity', () => {
    test('stays revoked by its first revocation, also over reopening', () =>
      withStore(open, async (store, under) => {
        await publish(store);
        expect(await revoke(store, 2)).toBe('unknown');
        expect(await revoke(store, 1, FIRST)).toBe('stored');
        expect(await revoke(store, 1, SECOND)).toBe('stored');
        const bundle = { ...ALONE, record: blobOf(1, 300), retired: false, revocation: FIRST };
        expect(await bundleOf(store, 1)).toEqual(bundle);
        const reopened = await under.reopen();
        expect(await bundleOf(reopened, 1, NOW_MS + 9_999 * DAY_MS)).toEqual(bundle);
        expect(await revoke(reopened, 1, SECOND)).toBe('stored');
        expect(await bundleOf(reopened, 1)).toEqual(bundle);
      }));

    test('is let in no more, and nobody else gets its name', () =>
      withStore(open, async (store, under) => {
        await register(store, 2);
        await revoke(store, 1);
        for (const reopened of [false, true]) {
          const at = reopened ? await under.reopen() : store;
          expect(await at.claim(claimOf('agent-1', aidOf(1)))).toEqual({ status: 'revoked' });
          expect(await at.claim(claimOf('other', aidOf(1)))).toEqual({ status: 'revoked' });
          expect(await at.claim(claimOf('agent-1', aidOf(3)))).toEqual({ status: 'name_taken' });
          expect(await at.claim(claimOf('agent-2', aidOf(2)))).toMatchObject({ status: 'ok' });
          expect(await at.aidOfName('agent-1')).toEqual(aidOf(1));
        }
      }));

    test('publishes neither record nor prekeys, and names no successor', () =>
      withStore(open, async (store) => {
        await publish(store);
        await revoke(store, 1);
        expect(await store.putIdentity(identityOf(1, 2))).toBe('revoked');
        const taken = identityOf(1, 1, { subject: aidOf(5) });
        expect(await store.putIdentity(taken)).toBe('revoked');
        expect(await store.aidOfName('agent-1')).toEqual(aidOf(1));
        const prekeys = keysOf({ signed: [signedOf(9)], oneTime: [] });
        expect(await store.putPrekeys(prekeys)).toEqual({ status: 'revoked' });
        expect(await bundleOf(store, 1)).toMatchObject({ ...ALONE, record: blobOf(1, 300) });
      }));

    test('gets no envelopes, and what was sent before is still remembered', () =>
      withStore(open, async (store, under) => {
        await register(store, 2);
        expect(await statusOf(store, envelopeOf(1))).toBe('stored');
        await revoke(store, 2);
        expect(await statusOf(store, envelopeOf(2))).toBe('revoked');
        expect(await statusOf(store, envelopeOf(1))).toBe('duplicate');
        const reopened = await under.reopen();
        expect(await statusOf(reopened, envelopeOf(3))).toBe('revoked');
        expect(await statusOf(reopened, envelopeOf(1, { blob: blobOf(9) }))).toBe('conflict');
        expect(await statusOf(reopened, envelopeOf(4, { to: aidOf(1) }))).toBe('stored');
        expect(await reopened.queued(aidOf(2))).toBe(1);
      }));

    test('may have a successor already: of a retired identity only itself is void', () =>
      withStore(open, async (store) => {
        await publish(store);
        await store.putIdentity(identityOf(1, 1, { subject: aidOf(5), record: blobOf(5, 300) }));
        expect(await revoke(store, 1)).toBe('stored');
        expect(await store.claim(claimOf('agent-1', aidOf(1)))).toEqual({ status: 'revoked' });
        expect(await store.claim(claimOf('agent-1', aidOf(5)))).toMatchObject({ status: 'ok' });
        expect(await bundleOf(store, 1)).toMatchObject({ retired: true, revocation: FIRST });
        expect(await bundleOf(store, 5)).toMatchObject({ retired: false, revocation: null });
      }));
  });
}
