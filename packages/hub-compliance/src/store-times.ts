/**
 * The store suite's part about time: expiry, dead letters and notices (`HubQueueStore`).
 * Owns the tests; nothing here waits, time is an argument.
 */
import { describe, expect, test } from '@jest/globals';
import type { HubStore } from '@agentmesh/hub-local';
import type { OpenStore } from './hub-under-test.js';
import {
  aidOf,
  append,
  commit,
  DAY_MS,
  envelopeOf,
  identityOf,
  keysOf,
  NOW_MS,
  oneTimeOf,
  read,
  register,
  seqsOf,
  statusOf,
  withStore,
} from './store-samples.js';

const keepNoticesMs = 1_000_000;
const soon = { expiresMs: NOW_MS + 10, rememberUntilMs: NOW_MS + 100 };
const expire = (store: HubStore, nowMs: number, max = 1_000) =>
  store.expire({ nowMs, max, keepNoticesMs });
const noticesFor = (store: HubStore, sender = aidOf(1), after = 0, max = 100) =>
  store.notices({ sender, after, max });

/** Prekeys are kept no longer than they serve. */
export function storePrekeyExpiry(open: OpenStore): void {
  describe('expiry of prekeys', () => {
    test('a sweep removes prekeys that have run out, also those of who never comes back', () =>
      withStore(open, async (store) => {
        await register(store, 3);
        const oneTime = [oneTimeOf(1, NOW_MS + DAY_MS), oneTimeOf(2, NOW_MS + 3 * DAY_MS)];
        const ids = async () => [
          (await store.keys(aidOf(1))).oneTimeIds,
          (await store.keys(aidOf(3))).oneTimeIds,
        ];
        const isConnected = () => true;
        const sweep = (nowMs: number) =>
          store.expire({ nowMs, max: 1_000, keepNoticesMs, isConnected });
        for (const n of [1, 3]) {
          await store.putIdentity(identityOf(n, 1));
          await store.putPrekeys(keysOf({ aid: aidOf(n), oneTime }));
        }
        await sweep(NOW_MS + DAY_MS - 1);
        expect(await ids()).toEqual([
          [1, 2],
          [1, 2],
        ]);
        await sweep(NOW_MS + DAY_MS);
        await sweep(NOW_MS + 2 * DAY_MS);
        expect(await ids()).toEqual([[2], [2]]);
        await sweep(NOW_MS + 4 * DAY_MS);
        expect(await ids()).toEqual([[], []]);
        // Its record is served all the same.
        expect((await store.keys(aidOf(3))).newestSigned).not.toBeNull();
      }));
  });
}

/** What is over is gone, and its sender is told. */
export function storeExpiry(open: OpenStore): void {
  describe('expiry', () => {
    test('an envelope is read until its time is over, not later', () =>
      withStore(open, async (store) => {
        await register(store, 2);
        await append(store, [envelopeOf(1, soon), envelopeOf(2)]);
        const [first, second] = seqsOf(await read(store, { nowMs: NOW_MS + 9 }));
        expect(seqsOf(await read(store, { nowMs: NOW_MS + 10 }))).toEqual([second]);
        expect(first).toBeDefined();
      }));

    test('a sweep removes what is over and leaves a notice with it', () =>
      withStore(open, async (store, under) => {
        await register(store, 3);
        const other = envelopeOf(3, { from: aidOf(3), ...soon });
        await append(store, [envelopeOf(1, soon), envelopeOf(2), other]);
        expect(await expire(store, NOW_MS + 9)).toEqual({
          notified: [],
          more: false,
          forgotten: [],
        });
        const { notified, more } = await expire(store, NOW_MS + 10);
        expect([notified.length, more]).toEqual([2, false]);
        expect(notified).toEqual(expect.arrayContaining([aidOf(1), aidOf(3)]));
        const reopened = await under.reopen();
        expect(await noticesFor(reopened)).toMatchObject([
          { id: envelopeOf(1).id, what: 'expired' },
        ]);
        expect(await noticesFor(reopened, aidOf(3))).toMatchObject([{ id: other.id }]);
        expect(await reopened.queued(aidOf(2))).toBe(1);
      }));

    test('an acknowledged envelope does not expire', () =>
      withStore(open, async (store) => {
        await register(store, 2);
        await append(store, [envelopeOf(1, soon)]);
        const acknowledge = [{ recipient: aidOf(2), seqs: seqsOf(await read(store)) }];
        await commit(store, { acknowledge });
        expect((await expire(store, NOW_MS + 10)).notified).toEqual([]);
        expect(await noticesFor(store)).toEqual([]);
      }));
  });
}

/** How a sweep goes, and what it forgets. */
export function storeSweeps(open: OpenStore): void {
  describe('sweeps', () => {
    test('a sweep does a portion and says that there is more', () =>
      withStore(open, async (store) => {
        await register(store, 2);
        await append(
          store,
          Array.from({ length: 7 }, (_, at) => envelopeOf(at + 1, soon)),
        );
        let sweeps = 0;
        while ((await expire(store, NOW_MS + 10, 3)).more) sweeps += 1;
        expect(sweeps).toBeGreaterThanOrEqual(2);
        expect(await store.queued(aidOf(2))).toBe(0);
        expect(await noticesFor(store)).toHaveLength(7);
      }));

    test('an id is remembered to its end, and may be used again after it', () =>
      withStore(open, async (store) => {
        await register(store, 2);
        await append(store, [envelopeOf(1, soon)]);
        await expire(store, NOW_MS + 99);
        const at = (nowMs: number) => ({ nowMs });
        expect(await statusOf(store, envelopeOf(1), at(NOW_MS + 99))).toBe('duplicate');
        expect(await statusOf(store, envelopeOf(1), at(NOW_MS + 100))).toBe('stored');
        await expire(store, NOW_MS + 100);
        expect(await store.queued(aidOf(2))).toBe(1);
      }));

    test('counts follow what comes and goes', () =>
      withStore(open, async (store) => {
        await register(store, 2);
        await append(store, [envelopeOf(1, soon), envelopeOf(2)]);
        const counts = { agents: 2, envelopes: 2, bytes: 128, deadLettered: 0 };
        expect(await store.counts()).toEqual(counts);
        await expire(store, NOW_MS + 10);
        expect(await store.counts()).toEqual({ ...counts, envelopes: 1, bytes: 64 });
      }));
  });
}

/** Dead letters, and notices until they are dropped. */
export function storeNotices(open: OpenStore): void {
  const deadLetterAll = async (store: HubStore) => {
    const deadLetter = seqsOf(await read(store)).map((seq) => ({ recipient: aidOf(2), seq }));
    return commit(store, { deadLetter: [...deadLetter, { recipient: aidOf(2), seq: 999 }] });
  };

  describe('notices', () => {
    test('a dead letter leaves its queue and its sender is told', () =>
      withStore(open, async (store, under) => {
        await register(store, 2);
        await append(store, [envelopeOf(1), envelopeOf(2)]);
        expect((await deadLetterAll(store)).notified).toEqual([aidOf(1)]);
        const reopened = await under.reopen();
        expect(await read(reopened)).toEqual({ entries: [], end: true });
        expect(await reopened.counts()).toMatchObject({ envelopes: 0, deadLettered: 2 });
        expect(await noticesFor(reopened)).toMatchObject([
          { id: envelopeOf(1).id, what: 'dead_lettered' },
          { id: envelopeOf(2).id, what: 'dead_lettered' },
        ]);
        const again = under.forgetsGone === true ? 'stored' : 'duplicate';
        expect(await statusOf(reopened, envelopeOf(1))).toBe(again);
      }));

    test('notices are read in pages and dropped up to one', () =>
      withStore(open, async (store) => {
        await register(store, 2);
        await append(
          store,
          [1, 2, 3, 4].map((number) => envelopeOf(number)),
        );
        await deadLetterAll(store);
        const [first, second, third] = await noticesFor(store, aidOf(1), 0, 3);
        const [next] = await noticesFor(store, aidOf(1), third?.seq, 9);
        expect(next?.id).toEqual(envelopeOf(4).id);
        await store.dropNotices({ sender: aidOf(1), upTo: second?.seq ?? 0 });
        expect((await noticesFor(store)).map((notice) => notice.seq)).toEqual([
          third?.seq,
          next?.seq,
        ]);
        expect(first?.seq).toBeLessThan(second?.seq ?? 0);
        await store.dropNotices({ sender: aidOf(9), upTo: 1 });
      }));

    test('a notice has a higher seq than all before, dropped ones too', () =>
      withStore(open, async (store, under) => {
        await register(store, 2);
        await append(store, [envelopeOf(1)]);
        await deadLetterAll(store);
        const [before] = await noticesFor(store);
        await store.dropNotices({ sender: aidOf(1), upTo: before?.seq ?? 0 });
        await expire(store, NOW_MS + 2 * keepNoticesMs);
        const reopened = await under.reopen();
        await append(reopened, [envelopeOf(2)]);
        await deadLetterAll(reopened);
        const [after] = await noticesFor(reopened);
        expect(after?.seq).toBeGreaterThan(before?.seq ?? 0);
      }));

    test('a notice that nobody fetches is forgotten at last', () =>
      withStore(open, async (store) => {
        await register(store, 2);
        await append(store, [envelopeOf(1)]);
        await deadLetterAll(store);
        await expire(store, NOW_MS + keepNoticesMs - 1);
        expect(await noticesFor(store)).toHaveLength(1);
        await expire(store, NOW_MS + keepNoticesMs);
        expect(await noticesFor(store)).toEqual([]);
      }));
  });
}
