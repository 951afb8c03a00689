/**
 * The queue half of the store suite: appending, reading, acknowledging (`HubQueueStore`).
 * Owns the tests; expiry and notices are `store-times`.
 */
import { describe, expect, test } from '@jest/globals';
import type { OpenStore } from './hub-under-test.js';
import {
  aidOf,
  append,
  blobOf,
  commit,
  dueOf,
  envelopeOf,
  NOW_MS,
  quota,
  read,
  register,
  seqsOf,
  statusOf,
  withStore,
} from './store-samples.js';

const many = (count: number, first = 1) =>
  Array.from({ length: count }, (_, at) => envelopeOf(first + at));

/** Storing, in order. */
export function storeAppend(open: OpenStore): void {
  describe('append', () => {
    test('seq rises by recipient, in the order of the batch', () =>
      withStore(open, async (store) => {
        await register(store, 3);
        const to3 = envelopeOf(9, { to: aidOf(3) });
        const outcomes = await append(store, [envelopeOf(1), to3, envelopeOf(2)]);
        expect(outcomes.map((outcome) => outcome.status)).toEqual(['stored', 'stored', 'stored']);
        const page = await read(store);
        expect(dueOf(page).map((entry) => entry.id)).toEqual([envelopeOf(1).id, envelopeOf(2).id]);
        const [first = 0, second = 0] = seqsOf(page);
        expect(second).toBeGreaterThan(first);
      }));

    test('what is read is what was appended', () =>
      withStore(open, async (store) => {
        await register(store, 2);
        const { id, from, tsMs, expiresMs, blob } = envelopeOf(7, { blob: blobOf(7, 100_000) });
        await append(store, [envelopeOf(7, { blob })]);
        const [entry] = (await read(store)).entries;
        const known = { id, from, tsMs, expiresMs, blob };
        expect(entry).toEqual({ due: true, seq: entry?.seq, attempt: 1, ...known });
      }));

    test('a seq is never used twice, not even after acknowledging and reopening', () =>
      withStore(open, async (store, under) => {
        await register(store, 2);
        await append(store, many(3));
        const seqs = seqsOf(await read(store));
        await commit(store, { acknowledge: [{ recipient: aidOf(2), seqs }] });
        const reopened = await under.reopen();
        await append(reopened, [envelopeOf(4)]);
        const [seq = 0] = seqsOf(await read(reopened));
        expect(seq).toBeGreaterThan(Math.max(...seqs));
      }));

    test('follows names the envelope before, or nothing', () =>
      withStore(open, async (store) => {
        await register(store, 2);
        const outcomes = [...(await append(store, many(2))), ...(await append(store, many(2, 3)))];
        let previous = 0;
        for (const outcome of outcomes) {
          expect(outcome.status).toBe('stored');
          if (outcome.status !== 'stored') continue;
          expect([previous, null]).toContain(outcome.follows);
          previous = outcome.seq;
        }
      }));
  });
}

/** One id is one envelope. */
export function storeDeduplication(open: OpenStore): void {
  describe('deduplication', () => {
    test('the same id again is a duplicate, with the first seq', () =>
      withStore(open, async (store, under) => {
        await register(store, 2);
        const [first, twice] = await append(store, [envelopeOf(1), envelopeOf(1)]);
        expect(twice).toEqual({
          status: 'duplicate',
          seq: first?.status === 'stored' && first.seq,
        });
        const reopened = await under.reopen();
        const [later] = await append(reopened, [envelopeOf(1)]);
        expect(later).toEqual(twice);
        expect(await reopened.queued(aidOf(2))).toBe(1);
      }));

    test('a duplicate is known after the acknowledgement, and before any limit', () =>
      withStore(open, async (store) => {
        await register(store, 2);
        await append(store, [envelopeOf(1)]);
        const full = { quota: { ...quota, messages: 1 } };
        expect(await statusOf(store, envelopeOf(2), full)).toBe('queue_full');
        expect(await statusOf(store, envelopeOf(1), full)).toBe('duplicate');
        const seqs = seqsOf(await read(store));
        await commit(store, { acknowledge: [{ recipient: aidOf(2), seqs }] });
        expect(await statusOf(store, envelopeOf(1))).toBe('duplicate');
        expect(await store.queued(aidOf(2))).toBe(0);
      }));

    test('T-A11 id-reuse: the same id with another blob or recipient is a conflict', () =>
      withStore(open, async (store) => {
        await register(store, 3);
        await append(store, [envelopeOf(1)]);
        const before = await read(store);
        expect(await statusOf(store, envelopeOf(1, { blob: blobOf(2) }))).toBe('conflict');
        expect(await statusOf(store, envelopeOf(1, { to: aidOf(3) }))).toBe('conflict');
        expect(await statusOf(store, envelopeOf(1, { from: aidOf(3) }))).toBe('stored');
        expect((await read(store)).entries.slice(0, 1)).toEqual(before.entries);
      }));
  });
}

/** Only those who are known get anything. */
export function storeRecipients(open: OpenStore): void {
  describe('recipients', () => {
    test('an unknown recipient gets nothing', () =>
      withStore(open, async (store) => {
        await register(store, 1);
        expect(await statusOf(store, envelopeOf(1))).toBe('unknown_recipient');
        expect(await store.counts()).toMatchObject({ envelopes: 0, bytes: 0 });
      }));

    test('a retired recipient gets envelopes until its time is over', () =>
      withStore(open, async (store) => {
        await register(store, 2);
        const record = blobOf(1, 300);
        const owner = aidOf(2);
        const update = { owner, subject: aidOf(9), name: 'agent-2', revision: 1, record };
        await store.putIdentity({ ...update, nowMs: NOW_MS });
        expect(await statusOf(store, envelopeOf(1))).toBe('stored');
        const late = { nowMs: NOW_MS + quota.retiredMs };
        expect(await statusOf(store, envelopeOf(2), late)).toBe('unknown_recipient');
      }));
  });
}

/** Bounds of a queue, at N and at N + 1. */
export function storeQuotas(open: OpenStore): void {
  const statuses = async (store: Parameters<typeof append>[0], count: number, limits: object) => {
    const outcomes = await append(store, many(count), { quota: { ...quota, ...limits } });
    return outcomes.map((outcome) => outcome.status);
  };

  describe('quotas', () => {
    test.each([
      ['messages of the queue', { messages: 3 }],
      ['bytes of the queue', { bytes: 3 * 64 }],
      ['messages of one sender', { senderMessages: 3 }],
      ['bytes of one sender', { senderBytes: 3 * 64 }],
    ])('the limit of %s is exact', (_, limits) =>
      withStore(open, async (store) => {
        await register(store, 2);
        const stored = ['stored', 'stored', 'stored'];
        expect(await statuses(store, 4, limits)).toEqual([...stored, 'queue_full']);
        expect(await store.queued(aidOf(2))).toBe(3);
      }),
    );

    test('one sender at its share does not stop another', () =>
      withStore(open, async (store) => {
        await register(store, 3);
        const limits = { senderMessages: 2, messages: 3 };
        expect(await statuses(store, 3, limits)).toEqual(['stored', 'stored', 'queue_full']);
        const changed = { quota: { ...quota, ...limits } };
        const other = envelopeOf(9, { from: aidOf(3) });
        expect(await statusOf(store, other, changed)).toBe('stored');
      }));

    test('acknowledgements of the same commit make room first', () =>
      withStore(open, async (store) => {
        await register(store, 2);
        const limits = { quota: { ...quota, messages: 1 } };
        await append(store, [envelopeOf(1)], limits);
        const acknowledge = [{ recipient: aidOf(2), seqs: seqsOf(await read(store)) }];
        expect(await statusOf(store, envelopeOf(2), { ...limits, acknowledge })).toBe('stored');
        expect(dueOf(await read(store)).map((entry) => entry.id)).toEqual([envelopeOf(2).id]);
      }));

    test('what is refused leaves no trace', () =>
      withStore(open, async (store) => {
        await register(store, 2);
        const limits = { quota: { ...quota, messages: 1 } };
        await append(store, [envelopeOf(1)], limits);
        const before = await store.counts();
        expect(await statusOf(store, envelopeOf(2), limits)).toBe('queue_full');
        expect(await store.counts()).toEqual(before);
        expect(await statusOf(store, envelopeOf(2))).toBe('stored');
      }));
  });
}

/** Of what one sender has under way, when there is room for some of it only. */
export function storeOrder(open: OpenStore): void {
  describe('order', () => {
    test('nothing overtakes what finds no room, though it would find some itself', () =>
      withStore(open, async (store) => {
        await register(store, 3);
        const limits = { quota: { ...quota, bytes: 1_000 } };
        const [small, large, tiny, last] = [{}, {}, {}, {}];
        const follows = [
          envelopeOf(1, { ticket: small }),
          envelopeOf(2, { blob: blobOf(2, 1_000), ticket: large, after: small }),
          envelopeOf(3, { ticket: tiny, after: large }),
          envelopeOf(4, { to: aidOf(3) }),
          envelopeOf(5, { ticket: last, after: tiny }),
        ];
        const outcomes = await append(store, follows, limits);
        const full = 'queue_full';
        expect(outcomes.map(({ status }) => status)).toEqual([
          'stored',
          full,
          full,
          'stored',
          full,
        ]);
        expect(dueOf(await read(store)).map(({ id }) => id)).toEqual([envelopeOf(1).id]);
        expect(await statusOf(store, envelopeOf(3), limits)).toBe('stored');
      }));
  });
}

/** What a fair order is made from, and what is read when it is made. */
export function storeOutlines(open: OpenStore): void {
  const query = { recipient: aidOf(2), after: 0, messages: 100, nowMs: NOW_MS };

  describe('outlines', () => {
    test('tell of whom each envelope is and how large, in order, page by page', () =>
      withStore(open, async (store) => {
        await register(store, 3);
        const large = envelopeOf(3, { from: aidOf(3), blob: blobOf(3, 5_000) });
        await append(store, [envelopeOf(1), envelopeOf(2, { to: aidOf(3) }), large, envelopeOf(4)]);
        const seqs = seqsOf(await read(store));
        const expected = [
          { seq: seqs[0], from: aidOf(1), bytes: 64 },
          { seq: seqs[1], from: aidOf(3), bytes: 5_000 },
          { seq: seqs[2], from: aidOf(1), bytes: 64 },
        ];
        expect(await store.outline(query)).toEqual({ entries: expected, end: true });
        const two = await store.outline({ ...query, messages: 2 });
        expect(two).toEqual({ entries: expected.slice(0, 2), end: false });
        const after = seqs[1] ?? 0;
        const rest = await store.outline({ ...query, after, messages: 1 });
        expect(rest).toEqual({ entries: expected.slice(2), end: true });
        const none = { entries: [], end: true };
        expect(await store.outline({ ...query, after: seqs[2] ?? 0 })).toEqual(none);
        expect(await store.outline({ ...query, recipient: aidOf(99) })).toEqual(none);
      }));

    test('leave out what has expired, however much of it there is', () =>
      withStore(open, async (store) => {
        await register(store, 2);
        const late = many(5).map((envelope) => ({ ...envelope, expiresMs: NOW_MS + 1_000 }));
        await append(store, [...late, envelopeOf(9)]);
        const [, , , , , last = 0] = seqsOf(await read(store));
        const nowMs = NOW_MS + 1_000;
        const entries = [{ seq: last, from: aidOf(1), bytes: 64 }];
        const page = await store.outline({ ...query, messages: 2, nowMs });
        expect(page).toEqual({ entries, end: true });
      }));

    test('what was asked for by number is fetched, if it is still there and due', () =>
      withStore(open, async (store) => {
        await register(store, 3);
        await append(store, [...many(40), envelopeOf(41, { to: aidOf(3) })]);
        const seqs = seqsOf(await read(store));
        const [other = 0] = seqsOf(await read(store, { recipient: aidOf(3) }));
        const [first = 0, second = 0, third = 0, fourth = 0] = seqs;
        const last = seqs.at(-1) ?? 0;
        const fetch = async (wanted: readonly number[], nowMs = NOW_MS) =>
          store.fetch({ recipient: aidOf(2), seqs: wanted, nowMs });
        const { entries } = await read(store);
        expect(await fetch([last, first])).toEqual([entries[0], entries.at(-1)]);
        expect(await fetch(seqs)).toEqual(entries);
        const scattered = seqs.filter((_, at) => at % 7 === 0);
        expect(await fetch(scattered)).toEqual(entries.filter((_, at) => at % 7 === 0));
        // Numbers of other queues may be numbers of this one too: only some stores share them.
        const foreign = seqs.includes(other) ? [] : [other];
        expect(await fetch([...foreign, last + 99])).toEqual([]);
        const recipient = aidOf(2);
        const notBeforeMs = NOW_MS + 5_000;
        const reschedule = [{ recipient, seq: third, attempt: 2, notBeforeMs }];
        await commit(store, { acknowledge: [{ recipient, seqs: [second] }], reschedule });
        const found = await fetch([first, second, third, fourth]);
        expect(found).toEqual([entries[0], { due: false, seq: third, notBeforeMs }, entries[3]]);
        expect(await fetch([first], NOW_MS + 7 * 24 * 3_600_000)).toEqual([]);
      }));
  });
}

/** Pages, acknowledgements and what comes again. */
export function storeReading(open: OpenStore): void {
  describe('reading', () => {
    test('pages hold as many messages and bytes as asked, but at least one', () =>
      withStore(open, async (store) => {
        await register(store, 2);
        await append(store, many(5));
        const all = seqsOf(await read(store));
        expect(await read(store)).toMatchObject({ end: true });
        const two = await read(store, { messages: 2 });
        expect([seqsOf(two), two.end]).toEqual([all.slice(0, 2), false]);
        const byBytes = await read(store, { bytes: 64 * 3 + 63 });
        expect([seqsOf(byBytes), byBytes.end]).toEqual([all.slice(0, 3), false]);
        expect(seqsOf(await read(store, { bytes: 1 }))).toEqual(all.slice(0, 1));
        const rest = await read(store, { after: all[1] ?? 0 });
        expect([seqsOf(rest), rest.end]).toEqual([all.slice(2), true]);
        expect(await read(store, { after: all[4] ?? 0 })).toEqual({ entries: [], end: true });
        expect(await read(store, { recipient: aidOf(99) })).toEqual({ entries: [], end: true });
      }));

    test('an acknowledged envelope is gone, also after reopening; strangers are ignored', () =>
      withStore(open, async (store, under) => {
        await register(store, 3);
        await append(store, many(3));
        const [first = 0, second = 0, third = 0] = seqsOf(await read(store));
        const acknowledge = [
          { recipient: aidOf(2), seqs: [second, 999] },
          { recipient: aidOf(3), seqs: [first] },
        ];
        await commit(store, { acknowledge });
        const reopened = await under.reopen();
        expect(seqsOf(await read(reopened))).toEqual([first, third]);
        expect(await reopened.counts()).toMatchObject({ envelopes: 2, bytes: 128 });
      }));

    test('a rescheduled envelope has its next attempt and comes without content until due', () =>
      withStore(open, async (store) => {
        await register(store, 2);
        await append(store, many(2));
        const [seq = 0, other = 0] = seqsOf(await read(store));
        const notBeforeMs = NOW_MS + 5_000;
        const change = { recipient: aidOf(2), seq, attempt: 2, notBeforeMs };
        await commit(store, { reschedule: [change, { ...change, seq: 999 }] });
        const [delayed, due] = (await read(store)).entries;
        expect(delayed).toEqual({ due: false, seq, notBeforeMs });
        expect(due).toMatchObject({ due: true, seq: other, attempt: 1 });
        const [later] = (await read(store, { nowMs: notBeforeMs })).entries;
        expect(later).toMatchObject({ due: true, seq, attempt: 2, blob: blobOf(1) });
      }));

    test('commits at the same time keep every envelope once', () =>
      withStore(open, async (store) => {
        await register(store, 2);
        const batches = Array.from({ length: 10 }, (_, at) => many(8, at * 8 + 1));
        await Promise.all(batches.map((batch) => append(store, batch)));
        const ids = dueOf(await read(store)).map((entry) => entry.blob[0]);
        expect(ids.toSorted((a = 0, b = 0) => a - b)).toEqual(many(80).map((e) => e.blob[0]));
      }));
  });
}
