/**
 * Faults under the running store: a full disk, and what one failed change does to its neighbours.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, statfsSync, statSync, writeFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from '@jest/globals';
import { SqliteHubStore } from '../src/index.js';
import { aid, append, commit, envelope, inFolder, register, waiting } from './store-samples.js';

const MIB = 1024 * 1024;

/** Only root may mount a small file system; elsewhere this is skipped by name. */
const asRoot = process.platform === 'linux' && process.getuid?.() === 0 ? test : test.skip;

async function onSmallDisk(run: (folder: string) => Promise<void>): Promise<void> {
  await inFolder(async (parent) => {
    const folder = join(parent, 'disk');
    mkdirSync(folder);
    execFileSync('/bin/mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=0700', 'tmpfs', folder]);
    try {
      await run(folder);
    } finally {
      execFileSync('/bin/umount', ['-l', folder]);
    }
  });
}

const blob = new Uint8Array(8_000).fill(1);

describe('a full disk', () => {
  asRoot('refuses sending with storage, still acknowledges and reads, and recovers', () =>
    onSmallDisk(async (folder) => {
      const store = await SqliteHubStore.open({ folder });
      await register(store, 2);
      const stored: number[] = [];
      let refused = 0;
      for (let n = 1; refused < 20; n++) {
        const { status } = await append(store, envelope(n, { blob }));
        if (status === 'stored') stored.push(n);
        else refused += 1;
        expect(['stored', 'storage']).toContain(status);
      }
      expect(stored.length).toBeGreaterThan(100);
      expect(await waiting(store)).toEqual(stored);

      // Another program takes the reserve too: nothing is left at all.
      const { bsize, bfree } = statfsSync(folder);
      writeFileSync(join(folder, 'other'), new Uint8Array(bsize * bfree));
      expect(await append(store, envelope(9_999, { blob }))).toEqual({ status: 'storage' });
      expect(await waiting(store)).toEqual(stored);
      const all = Array.from({ length: stored.length - 1 }, (_, at) => at + 1);
      const acknowledge = [{ recipient: aid(2), seqs: all }];
      const both = await commit(store, { acknowledge, append: [envelope(9_998, { blob })] });
      expect(both.appended).toEqual([{ status: 'storage' }]);
      expect(await waiting(store)).toEqual(stored.slice(-1));

      rmSync(join(folder, 'other'));
      await new Promise((resolve) => {
        setTimeout(resolve, 250);
      });
      expect(await append(store, envelope(9_999, { blob }))).toMatchObject({ status: 'stored' });
      await store.close();
      const again = await SqliteHubStore.open({ folder });
      expect(await waiting(again)).toEqual([...stored.slice(-1), 9_999]);
      await again.close();
    }),
  );

  asRoot('met at the start is told as such, and nothing is wrong once there is room', () =>
    onSmallDisk(async (folder) => {
      const store = await SqliteHubStore.open({ folder });
      await register(store, 2);
      expect(await append(store, envelope(1, { blob }))).toMatchObject({ status: 'stored' });
      await store.close();
      const { bsize, bfree } = statfsSync(folder);
      writeFileSync(join(folder, 'other'), new Uint8Array(bsize * bfree));
      await expect(SqliteHubStore.open({ folder })).rejects.toMatchObject({
        code: 'STORE_FULL',
        retryable: true,
      });
      rmSync(join(folder, 'other'));
      const again = await SqliteHubStore.open({ folder });
      expect(await waiting(again)).toEqual([1]);
      await again.close();
    }),
  );

  asRoot('met in the middle of a commit refuses what is new and keeps the rest of it', () =>
    onSmallDisk(async (folder) => {
      const store = await SqliteHubStore.open({ folder });
      await register(store, 2);
      const first = await append(store, envelope(1, { blob }));
      expect(first).toMatchObject({ status: 'stored', seq: 1 });
      // Faster than the store looks at the file system again.
      const { bsize, bfree } = statfsSync(folder);
      writeFileSync(join(folder, 'other'), new Uint8Array(bsize * bfree));
      const acknowledge = [{ recipient: aid(2), seqs: [1] }];
      const large = envelope(2, { blob: new Uint8Array(500_000) });
      const both = await commit(store, { acknowledge, append: [large] });
      expect(both.appended).toEqual([{ status: 'storage' }]);
      expect(await waiting(store)).toEqual([]);
      expect(await append(store, envelope(1, { blob }))).toEqual({ status: 'duplicate', seq: 1 });
      rmSync(join(folder, 'other'));
      await new Promise((resolve) => {
        setTimeout(resolve, 250);
      });
      expect(await append(store, large)).toMatchObject({ status: 'stored' });
      await store.close();
    }),
  );

  asRoot('refuses a name with STORE_FULL and takes it when there is room', () =>
    onSmallDisk(async (folder) => {
      const store = await SqliteHubStore.open({ folder });
      const { bsize, bfree } = statfsSync(folder);
      writeFileSync(join(folder, 'other'), new Uint8Array(bsize * bfree));
      await expect(register(store, 200)).rejects.toMatchObject({
        code: 'STORE_FULL',
        retryable: true,
      });
      expect(store.failure).toBeNull();
      rmSync(join(folder, 'other'));
      await register(store, 200);
      expect((await store.counts()).agents).toBe(200);
      await store.close();
    }),
  );

  test.each([0, 4_096])('is also the quota of the operator, with pages of %d bytes', (pageBytes) =>
    inFolder(async (folder) => {
      // Files of earlier versions keep their larger pages; 0 stands for a new file.
      if (pageBytes > 0) await withPages(folder, pageBytes);
      const store = await SqliteHubStore.open({ folder, quotaBytes: 4 * MIB });
      await register(store, 2);
      let n = 0;
      while ((await append(store, envelope(++n, { blob }))).status === 'stored');
      expect(statSync(join(folder, 'hub.db')).size).toBeLessThan(4 * MIB);
      const seqs = Array.from({ length: n }, (_, at) => at + 1);
      await commit(store, { acknowledge: [{ recipient: aid(2), seqs }] });
      await new Promise((resolve) => {
        setTimeout(resolve, 250);
      });
      expect(await append(store, envelope(n, { blob }))).toMatchObject({ status: 'stored' });
      await store.close();
      if (pageBytes > 0) expect(pageBytesOf(folder)).toBe(pageBytes);
    }),
  );
});

/** An empty store whose pages are of this size. */
async function withPages(folder: string, pageBytes: number): Promise<void> {
  await (await SqliteHubStore.open({ folder })).close();
  const database = new DatabaseSync(join(folder, 'hub.db'));
  database.exec(`PRAGMA journal_mode = DELETE; PRAGMA page_size = ${pageBytes}; VACUUM`);
  database.close();
}

function pageBytesOf(folder: string): unknown {
  const database = new DatabaseSync(join(folder, 'hub.db'));
  try {
    return database.prepare('PRAGMA page_size').get()?.['page_size'];
  } finally {
    database.close();
  }
}

test('a change that fails alone does not harm those of the same turn', () =>
  inFolder(async (folder) => {
    const store = await SqliteHubStore.open({ folder });
    await register(store, 2);
    const results = await Promise.allSettled([
      append(store, envelope(1)),
      commit(store, { append: [envelope(2, { id: null as unknown as Uint8Array })] }),
      append(store, envelope(3)),
    ]);
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await waiting(store)).toEqual([1, 3]);
    await store.close();
  }));

test('changes of one turn share a transaction, large ones are split', () =>
  inFolder(async (folder) => {
    let commits = 0;
    const store = await SqliteHubStore.open({ folder, onCommitTime: () => (commits += 1) });
    await register(store, 2);
    commits = 0;
    await Promise.all([1, 2, 3, 4, 5].map((n) => append(store, envelope(n))));
    expect(commits).toBe(1);
    const many = (from: number) => Array.from({ length: 400 }, (_, at) => envelope(from + at));
    await Promise.all([1_000, 2_000, 3_000].map((from) => commit(store, { append: many(from) })));
    expect(commits).toBe(4);
    await store.close();
  }));
