/**
 * Faults under `SqliteAgentStore`: flipped bytes, rows that were moved, a full disk, a disk that
 * cannot be written. Always a typed error, never another value, and nothing overwritten.
 */
import { readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, jest, test } from '@jest/globals';
import { StorageError } from '../src/ground/errors.js';
import type { AgentStore, StoreRow } from '../src/store/store.js';
import { asMounter, onSmallDisk } from './small-disk.js';
import { inFolder, isSame, snapshot, storeAt } from './store-folder.js';
import { lastCommit, StoreWriter } from './store-process.js';
import { chance } from './store-seed.js';

jest.setTimeout(60_000);

const all = { from: ' ', to: '~', limit: 1_000 };
const corrupt = { name: 'StorageError', code: 'STORE_CORRUPT', retryable: false };

/** Fills a new store with rows of many sizes, some of which were deleted again; closes it. */
async function filled(path: string): Promise<readonly StoreRow[]> {
  const store = storeAt(path);
  await store.open();
  const rows = Array.from({ length: 120 }, (_, n) => ({
    put: `peer/${String(n * 7_919).padStart(32, '0')}`,
    value: new Uint8Array((n * 97) % 9_000).fill(n),
  }));
  await store.commit(rows);
  await store.commit(rows.filter((_, n) => n % 5 === 0).map(({ put }) => ({ delete: put })));
  const found = await store.range(all);
  await store.close();
  return found;
}

describe('damage to the file', () => {
  const REFUSALS = ['STORE_CORRUPT', 'STORE_VERSION', 'STORE_FAILED'];
  const flips = chance(150, 'AGENTMESH_FLIPS');

  /** What opening the store and reading every row of it comes to. */
  async function read(path: string, rows: readonly StoreRow[]): Promise<'same' | 'refused'> {
    const store = storeAt(path);
    try {
      await store.open();
      expect(isSame(await store.range(all), rows)).toBe(true);
      for (const row of rows) {
        const value = (await store.get(row.key)) ?? new Uint8Array();
        expect(isSame([{ ...row, value }], [row])).toBe(true);
      }
      return 'same';
    } catch (error) {
      if (!(error instanceof StorageError) || !REFUSALS.includes(error.code)) throw error;
      return 'refused';
    } finally {
      await store.close();
    }
  }

  test(
    `anywhere is refused and left as it is, or harms no row: ${flips.title}`,
    () =>
      inFolder(async ({ folder, path }) => {
        const rows = await filled(path);
        const intact = readFileSync(path);
        let refused = 0;
        for (let i = 0; i < flips.times; i++) {
          const damaged = Buffer.from(intact);
          const at = flips.below(i % 3 === 0 ? 4_096 : damaged.length);
          const length = i % 2 === 0 ? 1 : 1 + flips.below(64);
          for (const [n, byte] of damaged.subarray(at, at + length).entries()) {
            damaged[at + n] = i % 2 === 0 ? byte ^ (1 << flips.below(8)) : flips.below(256);
          }
          writeFileSync(path, damaged);
          const before = snapshot(folder);
          if ((await read(path, rows)) === 'same') continue;
          refused += 1;
          expect(snapshot(folder)).toEqual(before);
        }
        expect(refused).toBeGreaterThan(flips.times / 4);
      }),
    10 * 60_000,
  );

  test('every bit of every key is missed: a row whose key changed does not look absent', () =>
    inFolder(async ({ path }) => {
      const rows = await filled(path);
      const intact = readFileSync(path);
      const key = Buffer.from(rows[3]?.key ?? '');
      const places: number[] = [];
      for (let at = intact.indexOf(key); at >= 0; at = intact.indexOf(key, at + 1)) places.push(at);
      // In the table and in its index.
      expect(places).toHaveLength(2);
      for (const place of places) {
        for (let at = place; at < place + key.length; at++) {
          const damaged = Buffer.from(intact);
          damaged[at] = (damaged[at] ?? 0) ^ 1;
          writeFileSync(path, damaged);
          await expect(storeAt(path).open()).rejects.toMatchObject(corrupt);
        }
      }
    }));
});

describe('a row that does not open', () => {
  const damage: [string, string][] = [
    [
      'with a changed byte',
      `UPDATE row SET value = CAST(X'00' || substr(value, 2) AS BLOB) WHERE key='b'`,
    ],
    ['cut to nothing', `UPDATE row SET value = X'' WHERE key = 'b'`],
    [
      'of another row',
      `UPDATE row SET value = (SELECT value FROM row WHERE key='a') WHERE key='b'`,
    ],
    ['of another table', `UPDATE row SET value = (SELECT value FROM meta) WHERE key = 'b'`],
    ['under a new key', `UPDATE row SET key = 'b2' WHERE key = 'b'`],
  ];

  test.each(damage)(
    '%s is STORE_CORRUPT, and the store refuses everything from then on',
    (_n, sql) =>
      inFolder(async ({ folder, path }) => {
        const store = storeAt(path);
        await store.open();
        await store.commit(['a', 'b', 'c'].map((put) => ({ put, value: new Uint8Array(40) })));
        await store.close();
        const database = new DatabaseSync(path);
        database.exec(sql);
        database.close();

        const before = snapshot(folder);
        for (const read of [() => store.get('b'), () => store.get('b2'), () => store.range(all)]) {
          await store.open();
          expect(await store.get('a')).toHaveLength(40);
          const value = await read().catch((error: unknown) => error);
          if (value === null) {
            await store.close();
            continue;
          }
          expect(value).toMatchObject(corrupt);
          const put = { put: 'b', value: new Uint8Array(1) };
          await expect(store.commit([put])).rejects.toMatchObject(corrupt);
          await expect(store.get('a')).rejects.toMatchObject(corrupt);
          await store.close();
        }
        expect(snapshot(folder)).toEqual(before);
      }),
  );
});

describe('a disk that cannot be written any more', () => {
  test('is STORE_FAILED; what was committed before is there, what was refused is not', () =>
    inFolder(async ({ path }) => {
      // Writing beyond the limit fails with EFBIG: to SQLite an input/output error.
      const writer = new StoreWriter(path, { fileKiB: 700 });
      expect(await writer.first()).toBe('open 1');
      await writer.ended();
      const [, failed, afterwards] = writer.lines;
      expect(failed).toMatch(/^failed STORE_FAILED false .*alice\.db: input\/output error/);
      expect(afterwards).toBe('then STORE_FAILED STORE_FAILED');
      const store = storeAt(path);
      await store.open();
      expect(await lastCommit(store)).toBe(writer.reports.at(-1)?.n);
      await store.commit([{ put: 'x', value: new Uint8Array(1) }]);
      await store.close();
    }));
});

describe('a small disk', () => {
  const full = { name: 'StorageError', code: 'STORE_FULL', retryable: true };
  const value = new Uint8Array(30_000).fill(1);
  const key = (n: number): string => `k/${String(n).padStart(5, '0')}`;

  const keys = { from: 'k/', to: 'k0', limit: 10_000 };

  /** Commits until the disk is full; returns which rows there are. */
  async function filledUp(store: AgentStore, committed?: (n: number) => void): Promise<string[]> {
    const kept: string[] = [];
    for (let n = 0; n < 1_000; n++) {
      const last = { put: 'last', value: Uint8Array.of(n & 0xff) };
      const error = await store.commit([{ put: key(n), value }, last]).catch((e: unknown) => e);
      if (error !== undefined) {
        expect(error).toMatchObject(full);
        break;
      }
      kept.push(key(n));
      committed?.(n);
    }
    expect(kept.length).toBeGreaterThan(30);
    return kept;
  }

  asMounter('that is full is STORE_FULL; there is no half of a commit, and room helps', () =>
    onSmallDisk(async (folder) => {
      writeFileSync(join(folder, 'ballast'), new Uint8Array(3_000_000));
      const path = join(folder, 'alice.db');
      const store = storeAt(path);
      await store.open();
      const kept = await filledUp(store);
      await expectKept();

      const more = [0, 1, 2].map((n) => store.commit([{ put: `more/${n}`, value }]));
      for (const result of await Promise.allSettled(more)) {
        expect(result).toMatchObject({ status: 'rejected', reason: full });
      }
      await expectKept();

      rmSync(join(folder, 'ballast'));
      for (let at = kept.length - 1; at > 0; at--) await store.commit([{ delete: key(at) }]);
      await store.commit([{ put: key(999), value }]);
      kept.splice(1, kept.length, key(999));
      await store.close();
      await store.open();
      await expectKept();
      await store.close();

      async function expectKept(): Promise<void> {
        const found = await store.range(keys);
        expect(found.map((row) => row.key)).toEqual(kept);
        expect(found.every((row) => Buffer.compare(row.value, value) === 0)).toBe(true);
      }
    }),
  );

  // A merge takes much room in the log for a moment: rows that go are overwritten with zeros.
  asMounter(
    'that had no room for a merge opens again, whenever the log was emptied last',
    async () => {
      jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
      try {
        for (const mergedAt of [12, 24, 45, 70]) {
          await onSmallDisk(async (folder) => {
            const ballast = join(folder, 'ballast');
            writeFileSync(ballast, new Uint8Array(3_000_000));
            const store = storeAt(join(folder, 'alice.db'));
            await store.open();
            const kept = await filledUp(store, (n) => {
              if (n === mergedAt) jest.advanceTimersByTime(1_000);
            });
            rmSync(ballast);
            for (const name of kept.slice(1)) await store.commit([{ delete: name }]);
            await store.close();
            expect(readdirSync(folder)).toEqual(['alice.db']);
            await store.open();
            expect((await store.range(keys)).map((row) => row.key)).toEqual(kept.slice(0, 1));
            await store.close();
          });
        }
      } finally {
        jest.useRealTimers();
      }
    },
  );

  asMounter('that has a little room gets more by what is deleted', () =>
    onSmallDisk(async (folder) => {
      const ballast = join(folder, 'ballast');
      writeFileSync(ballast, new Uint8Array(1_000_000));
      const store = storeAt(join(folder, 'alice.db'));
      await store.open();
      const kept = await filledUp(store);
      rmSync(ballast);
      for (const name of kept) await store.commit([{ delete: name }]);
      await store.close();
      await store.open();
      for (const name of kept.slice(0, 60)) await store.commit([{ put: name, value }]);
      await store.close();
      await store.open();
      expect((await store.range(keys)).map((row) => row.key)).toEqual(kept.slice(0, 60));
      await store.close();
    }),
  );

  asMounter('that is full closes, and opens when there is room, with all that was committed', () =>
    onSmallDisk(async (folder) => {
      const path = join(folder, 'alice.db');
      const store = storeAt(path);
      await store.open();
      await store.commit([{ put: 'a', value }]);
      const { bsize, bfree } = statfsSync(folder);
      writeFileSync(join(folder, 'other'), new Uint8Array(bsize * bfree));
      await expect(store.commit([{ put: 'b', value }])).rejects.toMatchObject(full);
      await store.close();
      await expect(store.open()).rejects.toMatchObject(full);
      rmSync(join(folder, 'other'));
      await store.open();
      expect((await store.range(all)).map(({ key: name }) => name)).toEqual(['a']);
      await store.close();
    }),
  );

  asMounter('that has no room for a new store leaves one that can be made later', () =>
    onSmallDisk(async (folder) => {
      const { bsize, bfree } = statfsSync(folder);
      writeFileSync(join(folder, 'other'), new Uint8Array(bsize * bfree));
      const store = storeAt(join(folder, 'alice.db'));
      await expect(store.open()).rejects.toMatchObject(full);
      rmSync(join(folder, 'other'));
      await store.open();
      await store.commit([{ put: 'a', value }]);
      await store.close();
    }),
  );

  asMounter('that is mounted read-only is STORE_FAILED and left as it is', () =>
    onSmallDisk(async (folder, remount) => {
      const path = join(folder, 'alice.db');
      await filled(path);
      const before = snapshot(folder);
      remount('ro');
      const failed = { name: 'StorageError', code: 'STORE_FAILED', retryable: false };
      await expect(storeAt(path).open()).rejects.toMatchObject(failed);
      await expect(storeAt(path).open()).rejects.toThrow('check owner, mode and file system');
      expect(snapshot(folder)).toEqual(before);
      remount('rw');
      const store = storeAt(path);
      await store.open();
      await store.close();
    }),
  );
});
