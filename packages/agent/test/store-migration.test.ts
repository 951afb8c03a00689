/**
 * Stores of the version before, which had no journal: opened they become current ones, whole or not
 * at all, wherever the step is cut off; and rows are read as one wherever they are.
 */
import { copyFileSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, jest, test } from '@jest/globals';
import { sealRow } from '@agentmesh/crypto/node';
import { systemRandom } from '@agentmesh/crypto';
import fc from 'fast-check';
import { APPLICATION_ID } from '../src/store/sqlite/schema.js';
import { Overlay } from '../src/store/sqlite/overlay.js';
import type { RowSource } from '../src/store/sqlite/overlay.js';
import { MemoryStore } from '../src/store/memory-store.js';
import { inFolder, storeAt, storeKey } from './store-folder.js';
import { chance } from './store-seed.js';

jest.setTimeout(120_000);

const all = { from: ' ', to: '~', limit: 1_000 };
const ROWS = Array.from({ length: 40 }, (_, n) => ({
  key: `row/${String(n).padStart(2, '0')}`,
  value: new Uint8Array(n * 50).fill(n),
}));

/** A store as the version before made it, in pages of 4 KiB. */
function makeFormer(path: string): void {
  const seal = (table: string, id: string, row: Uint8Array): Uint8Array =>
    sealRow({ storeKey: storeKey(), table, id, row, random: systemRandom });
  const database = new DatabaseSync(path);
  database.exec('PRAGMA journal_mode = WAL');
  database.exec(
    'CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID',
  );
  database.exec('CREATE TABLE row (key TEXT NOT NULL UNIQUE, value BLOB NOT NULL) STRICT');
  database.prepare(`INSERT INTO meta VALUES ('key', ?)`).run(seal('meta', 'key', new Uint8Array()));
  const insert = database.prepare('INSERT INTO row VALUES (?, ?)');
  for (const { key, value } of ROWS) insert.run(key, seal('row', key, value));
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
  database.exec('PRAGMA user_version = 1');
  database.close();
}

function versionOf(path: string): unknown {
  const database = new DatabaseSync(path, { readOnly: true });
  const version = database.prepare('PRAGMA user_version').get()?.['user_version'];
  database.close();
  return version;
}

describe('a store of the version before', () => {
  test('keeps every row, takes commits and is current afterwards', () =>
    inFolder(async ({ path }) => {
      makeFormer(path);
      for (let round = 0; round < 2; round++) {
        const store = storeAt(path);
        await store.open();
        expect(await store.range(all)).toEqual(ROWS);
        await store.commit([{ put: 'row/new', value: new Uint8Array(3) }]);
        await store.commit([{ delete: 'row/new' }]);
        await store.close();
        expect(versionOf(path)).toBe(2);
      }
    }));

  test('is of one version or the other wherever the step is cut off, and loses no row', () =>
    inFolder(async ({ folder, path }) => {
      const cuts = chance(12, 'AGENTMESH_MIGRATION_CUTS');
      makeFormer(path);
      const before = join(folder, 'before.db');
      copyFileSync(path, before);
      const store = storeAt(path);
      await store.open();
      await store.commit([{ put: 'row/99', value: new Uint8Array(9) }]);
      const log = join(folder, 'log');
      copyFileSync(`${path}-wal`, log);
      await store.close();
      const size = statSync(log).size;
      for (let round = 0; round < cuts.times; round++) {
        const copy = join(folder, `cut-${round}.db`);
        copyFileSync(before, copy);
        copyFileSync(log, `${copy}-wal`);
        truncateSync(`${copy}-wal`, round === 0 ? size : cuts.below(size));
        const cut = storeAt(copy);
        await cut.open();
        expect((await cut.range({ ...all, to: 'row/90' })).map(({ key }) => key)).toEqual(
          ROWS.map(({ key }) => key),
        );
        await cut.close();
        expect(versionOf(copy)).toBe(2);
      }
    }));

  test('that cannot be read is left as it is', () =>
    inFolder(async ({ path }) => {
      makeFormer(path);
      const bytes = readFileSync(path);
      await expect(storeAt(path, 8).open()).rejects.toMatchObject({ code: 'STORE_MISMATCH' });
      expect(readFileSync(path)).toEqual(bytes);
      rmSync(path);
    }));
});

describe('rows that lie partly in the journal', () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
  const changes = fc.dictionary(key, fc.option(fc.uint8Array({ maxLength: 2 })), { maxKeys: 6 });
  const query = fc.record({
    from: key,
    to: key,
    limit: fc.nat(7),
    reverse: fc.boolean(),
  });

  test('are read as one, in order, however many are deleted', async () => {
    await fc.assert(
      fc.asyncProperty(changes, changes, query, async (below, above, range) => {
        const [merged, table] = [new MemoryStore(), new MemoryStore()];
        for (const store of [merged, table]) await store.open();
        const put = async (store: MemoryStore, part: typeof below): Promise<void> => {
          for (const [at, value] of Object.entries(part)) {
            await store.commit([value === null ? { delete: at } : { put: at, value }]);
          }
        };
        await put(table, below);
        await put(merged, below);
        await put(merged, above);
        const rows = await table.range({ ...range, limit: 99 });
        const source: RowSource = {
          get: (at) => rows.find((row) => row.key === at)?.value ?? null,
          scan: () => rows.map(({ key: at, value }) => ({ key: at, value: () => value })),
        };
        const overlay = new Overlay();
        overlay.add(new Map(Object.entries(above)));
        expect(overlay.range(range, source)).toEqual(await merged.range(range));
      }),
    );
  });
});
