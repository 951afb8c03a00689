/**
 * What every `AgentStore` promises, sentence by sentence of its contract in `src/store.ts`. Run by
 * each store's own test file, so that an agent cannot tell them apart but by durability.
 */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { AgentStore, StoreOperation, StoreRange } from '../src/store/store.js';

/** A place for one agent's rows. */
export interface StoreUnderTest {
  /** A store over these rows, not open; several may be had, of which one can be open. */
  readonly handle: () => AgentStore;
  readonly dispose: () => Promise<void>;
}

jest.setTimeout(60_000);

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const put = (key: string, ...values: number[]): StoreOperation => ({
  put: key,
  value: bytes(...values),
});
const all = { from: ' ', to: '~', limit: 1_000_000 };
const sortable = (n: number): string => n.toString(16).padStart(14, '0');

/** Keys that a range finds. */
async function keysOf(store: AgentStore, range: StoreRange = all): Promise<string[]> {
  return (await store.range(range)).map(({ key }) => key);
}

/** `make` gives an empty place each time. */
export function agentStoreCompliance(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`${name} as an AgentStore`, () => {
    let place: StoreUnderTest;
    let store: AgentStore;

    beforeEach(async () => {
      place = await make();
      store = place.handle();
      await store.open();
    });
    afterEach(async () => {
      await store.close();
      await place.dispose();
    });

    describe('rows', () => {
      test('a row that was never put is null, and no range finds it', async () => {
        expect(await store.get('peer/bob')).toBeNull();
        expect(await store.range(all)).toEqual([]);
      });

      test('a row holds what was put last', async () => {
        await store.commit([put('meta', 1, 2, 3)]);
        expect(await store.get('meta')).toEqual(bytes(1, 2, 3));
        await store.commit([put('meta', 4)]);
        expect(await store.get('meta')).toEqual(bytes(4));
      });

      test('a deleted row is gone, and deleting it again does nothing', async () => {
        await store.commit([put('name/bob', 1), put('name/carol', 2)]);
        await store.commit([{ delete: 'name/bob' }]);
        await store.commit([{ delete: 'name/bob' }, { delete: 'name/nobody' }]);
        expect(await store.get('name/bob')).toBeNull();
        expect(await keysOf(store)).toEqual(['name/carol']);
      });

      test('a deleted row can be put again', async () => {
        await store.commit([put('hub', 1)]);
        await store.commit([{ delete: 'hub' }]);
        await store.commit([put('hub', 2)]);
        expect(await store.get('hub')).toEqual(bytes(2));
      });

      test.each([0, 1, 15, 16, 4_095, 4_096, 65_537, 4_000_000])(
        'a value of %i bytes comes back as it was',
        async (length) => {
          const value = Uint8Array.from({ length }, (_, at) => (at * 31 + (at >>> 8)) & 0xff);
          await store.commit([{ put: 'inbox/1', value }]);
          const found = await store.get('inbox/1');
          expect(found).toBeInstanceOf(Uint8Array);
          expect(Buffer.compare(found ?? bytes(0), value)).toBe(0);
        },
      );

      test('a key may have 200 characters, and each of them counts', async () => {
        const long = 'k'.repeat(199);
        await store.commit([put(`${long}a`, 1), put(`${long}b`, 2), put(long, 3)]);
        expect(await store.get(`${long}a`)).toEqual(bytes(1));
        expect(await store.get(`${long}b`)).toEqual(bytes(2));
        expect(await store.get(long)).toEqual(bytes(3));
      });

      test('keys of another case, and keys that would be patterns, are other keys', async () => {
        await store.commit([put('name/Bob', 1), put('name/bob', 2), put('name/%', 3)]);
        expect(await store.get('name/Bob')).toEqual(bytes(1));
        expect(await store.get('name/bob')).toEqual(bytes(2));
        expect(await store.get('name/_ob')).toBeNull();
        expect(await store.get('name/%')).toEqual(bytes(3));
      });
    });

    describe('values are bytes of their own', () => {
      test('of a view into larger memory only the view is kept', async () => {
        const pool = Buffer.from('before|middle|after');
        await store.commit([{ put: 'a', value: pool.subarray(7, 13) }]);
        const found = await store.get('a');
        expect(found).toHaveLength(6);
        expect(Buffer.from(found ?? []).toString()).toBe('middle');
      });

      test('one array under two keys makes two rows', async () => {
        const value = bytes(1, 2);
        await store.commit([
          { put: 'a', value },
          { put: 'b', value },
        ]);
        await store.commit([put('a', 9)]);
        expect(await store.get('b')).toEqual(bytes(1, 2));
      });

      test('a value that was read does not change when its row does', async () => {
        await store.commit([put('a', 1)]);
        const [before, [row]] = await Promise.all([store.get('a'), store.range(all)]);
        await store.commit([put('a', 2)]);
        await store.commit([{ delete: 'a' }]);
        expect(before).toEqual(bytes(1));
        expect(row).toEqual({ key: 'a', value: bytes(1) });
      });
    });

    describe('ranges', () => {
      const keys = ['a', 'b/', 'b/1', 'b/10', 'b/2', 'b0', 'c'];
      const between = { from: 'b/', to: 'b0', limit: 10 };

      beforeEach(async () => {
        const inAnyOrder = keys.toSorted((a, b) => b.length - a.length);
        await store.commit(inAnyOrder.map((key) => put(key, key.length)));
      });

      test('hold their lower bound and not their upper one', async () => {
        expect(await keysOf(store, between)).toEqual(['b/', 'b/1', 'b/10', 'b/2']);
        expect(await keysOf(store, { ...between, from: 'b/1', to: 'b/2' })).toEqual([
          'b/1',
          'b/10',
        ]);
      });

      test('give keys with their values', async () => {
        const rows = await store.range({ ...between, limit: 2 });
        expect(rows).toEqual([
          { key: 'b/', value: bytes(2) },
          { key: 'b/1', value: bytes(3) },
        ]);
      });

      test('stop at the limit, from either end', async () => {
        expect(await keysOf(store, { ...between, limit: 2 })).toEqual(['b/', 'b/1']);
        expect(await keysOf(store, { ...between, limit: 4 })).toHaveLength(4);
        const last = { ...between, limit: 2, reverse: true };
        expect(await keysOf(store, last)).toEqual(['b/2', 'b/10']);
        expect(await keysOf(store, { ...between, limit: 0 })).toEqual([]);
        expect(await keysOf(store, { ...last, limit: 0 })).toEqual([]);
      });

      test('backwards are the same rows in the other order', async () => {
        const forwards = await store.range(between);
        expect(await store.range({ ...between, reverse: true })).toEqual(forwards.toReversed());
        expect(await store.range({ ...between, reverse: false })).toEqual(forwards);
      });

      test('without room between their bounds are empty', async () => {
        expect(await keysOf(store, { from: 'b', to: 'b', limit: 10 })).toEqual([]);
        expect(await keysOf(store, { from: 'c', to: 'a', limit: 10 })).toEqual([]);
        expect(await keysOf(store, { from: 'c', to: 'a', limit: 10, reverse: true })).toEqual([]);
      });

      test('see rows come and go', async () => {
        await store.commit([put('b/15', 1), { delete: 'b/1' }, { delete: 'b/' }]);
        expect(await keysOf(store, between)).toEqual(['b/10', 'b/15', 'b/2']);
      });

      test('sort every printable character by its code unit', async () => {
        const printable = Array.from({ length: 94 }, (_, at) => `x${String.fromCharCode(33 + at)}`);
        await store.commit(printable.toReversed().map((key) => put(key, 1)));
        const found = await keysOf(store, { from: 'x', to: 'y', limit: 1_000 });
        expect(found).toEqual(printable);
      });

      test('page through 10,000 rows, each once and in order', async () => {
        const many = Array.from({ length: 10_000 }, (_, n) => `peer/${sortable(n * 7_919)}`);
        for (let at = 0; at < many.length; at += 1_000) {
          await store.commit(many.slice(at, at + 1_000).map((key, n) => put(key, n & 0xff)));
        }
        const paged: string[] = [];
        for (let from = 'peer/'; ;) {
          const page = await keysOf(store, { from, to: 'peer0', limit: 256 });
          paged.push(...page);
          const last = page.at(-1);
          if (last === undefined) break;
          // The least key above the last one.
          from = `${last} `;
        }
        expect(paged).toEqual(many.toSorted());
        const newest = await keysOf(store, { from: 'peer/', to: 'peer0', limit: 1, reverse: true });
        expect(newest).toEqual(paged.slice(-1));
      });
    });

    describe('commits', () => {
      test('without operations resolve', async () => {
        expect(await store.commit([])).toBeUndefined();
        expect(await keysOf(store)).toEqual([]);
      });

      test('take effect in the order of their operations', async () => {
        await store.commit([put('a', 1), { delete: 'a' }, put('b', 1), put('b', 2)]);
        expect(await store.get('a')).toBeNull();
        expect(await store.get('b')).toEqual(bytes(2));
        await store.commit([{ delete: 'b' }, put('b', 3)]);
        expect(await store.get('b')).toEqual(bytes(3));
      });

      test('take effect in the order of the calls', async () => {
        const calls = Array.from({ length: 300 }, (_, n) =>
          store.commit([put('last', n & 0xff, n >>> 8), put(`inbox/${sortable(n)}`, 1)]),
        );
        await Promise.all([...calls, store.commit([{ delete: 'inbox/00000000000000' }])]);
        expect(await store.get('last')).toEqual(bytes(299 & 0xff, 1));
        expect(await keysOf(store)).toHaveLength(300);
      });

      test('resolve in the order of the calls', async () => {
        const resolved: number[] = [];
        const order = Array.from({ length: 50 }, (_, n) => n);
        await Promise.all(
          order.map(async (n) => {
            await store.commit([put(`k${n}`, n)]);
            resolved.push(n);
          }),
        );
        expect(resolved).toEqual(order);
      });

      test('are seen whole or not at all by reads between them', async () => {
        const keys = ['x/1', 'x/2', 'x/3'];
        const [torn] = await Promise.all([
          watch(200),
          (async () => {
            for (let n = 0; n < 100; n++) await store.commit(keys.map((key) => put(key, n)));
          })(),
        ]);
        expect(torn).toEqual([]);

        async function watch(times: number): Promise<unknown[]> {
          const wrong: unknown[] = [];
          for (let i = 0; i < times; i++) {
            const rows = await store.range({ from: 'x/', to: 'x0', limit: 10 });
            const versions = new Set(rows.map(({ value }) => value[0]));
            if (versions.size > 1 || ![0, 3].includes(rows.length)) wrong.push(rows);
            await new Promise((next) => {
              setImmediate(next);
            });
          }
          return wrong;
        }
      });

      test('with an operation that is refused change nothing, and harm no other', async () => {
        const wrong = { put: 'b', value: null as unknown as Uint8Array };
        const results = await Promise.allSettled([
          store.commit([put('a', 1)]),
          store.commit([put('b', 1), put('c', 1), wrong]),
          store.commit([put('d', 1)]),
        ]);
        expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
        expect(await keysOf(store)).toEqual(['a', 'd']);
      });

      test('that resolved are seen by every read that follows', async () => {
        for (let n = 0; n < 20; n++) {
          await store.commit([put('n', n)]);
          const [one, rows] = await Promise.all([store.get('n'), store.range(all)]);
          expect([one?.[0], rows[0]?.value[0]]).toEqual([n, n]);
        }
      });
    });

    describe('opening and closing', () => {
      const locked = { name: 'StorageError', code: 'STORE_LOCKED' };
      const closed = { name: 'StorageError', code: 'STORE_CLOSED' };

      test('a second opening is STORE_LOCKED within a second and harms nothing', async () => {
        await store.commit([put('a', 1)]);
        const second = place.handle();
        const startedMs = performance.now();
        await expect(second.open()).rejects.toMatchObject(locked);
        expect(performance.now() - startedMs).toBeLessThan(1_000);
        await store.commit([put('b', 2)]);
        expect(await keysOf(store)).toEqual(['a', 'b']);
        await expect(place.handle().open()).rejects.toMatchObject(locked);
      });

      test('rows are there after closing and opening again, by any handle', async () => {
        await store.commit([put('a', 1), put('b', 2), { delete: 'a' }]);
        await store.close();
        await store.open();
        expect(await keysOf(store)).toEqual(['b']);
        await store.commit([put('c', 3)]);
        await store.close();
        store = place.handle();
        await store.open();
        expect(await keysOf(store)).toEqual(['b', 'c']);
      });

      test('closing completes the commits that were begun', async () => {
        const begun = Array.from({ length: 100 }, (_, n) => store.commit([put(`k${n}`, n)]));
        await store.close();
        expect((await Promise.allSettled(begun)).map(({ status }) => status)).toEqual(
          begun.map(() => 'fulfilled'),
        );
        await store.open();
        expect(await keysOf(store)).toHaveLength(100);
      });

      test('a closed store refuses reads and commits with STORE_CLOSED', async () => {
        await store.commit([put('a', 1)]);
        await store.close();
        await expect(store.get('a')).rejects.toMatchObject(closed);
        await expect(store.range(all)).rejects.toMatchObject(closed);
        await expect(store.commit([put('b', 1)])).rejects.toMatchObject(closed);
        await store.open();
        expect(await keysOf(store)).toEqual(['a']);
      });

      test('a store that was never opened refuses too, and closing it harms nobody', async () => {
        await store.close();
        const other = place.handle();
        await expect(other.get('a')).rejects.toMatchObject(closed);
        await other.close();
        await store.open();
        expect(await store.get('a')).toBeNull();
      });

      test('closing twice is closing once', async () => {
        await store.close();
        await store.close();
        await store.open();
        await store.commit([put('a', 1)]);
        expect(await keysOf(store)).toEqual(['a']);
      });
    });
  });
}
