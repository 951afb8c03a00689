/**
 * The file under `SqliteAgentStore`: who may open it, what is refused, and that a refusal leaves
 * every byte as it was.
 */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, jest, test } from '@jest/globals';
import { inFolder, snapshot, storeAt, storeKey } from './store-folder.js';
import { StoreWriter } from './store-process.js';
import { SqliteAgentStore } from '../src/node.js';

jest.setTimeout(60_000);

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const ROWS = 300;
const all = { from: ' ', to: '~', limit: ROWS + 1 };

/** A store of some rows, of which one is `secret`, closed. */
async function filled(path: string): Promise<void> {
  const store = storeAt(path);
  await store.open();
  const rows = Array.from({ length: ROWS - 1 }, (_, n) => ({
    put: `row/${String(n).padStart(4, '0')}`,
    value: new Uint8Array(n * 20).fill(n),
  }));
  await store.commit([...rows, { put: 'secret', value: text('the cake is a lie') }]);
  await store.close();
}

/** Changes the file as a program without our lock and key would. */
function edit(path: string, ...statements: readonly string[]): void {
  const database = new DatabaseSync(path);
  for (const statement of statements) database.exec(statement);
  database.close();
}

async function expectRefusal(path: string, code: string, seed?: number): Promise<void> {
  const before = snapshot(join(path, '..'));
  const opening = storeAt(path, seed).open();
  await expect(opening).rejects.toMatchObject({ name: 'StorageError', code });
  await expect(opening).rejects.toThrow(path);
  expect(snapshot(join(path, '..'))).toEqual(before);
}

describe('a new store', () => {
  test('is a file for its owner only, in folders for their owner only', () =>
    inFolder(async ({ folder }) => {
      const path = join(folder, 'a', 'b', 'alice.db');
      const store = storeAt(path);
      expect(readdirSync(folder)).toEqual([]);
      await store.open();
      await store.commit([{ put: 'a', value: text('x') }]);
      const modes = ['a', 'a/b', 'a/b/alice.db', 'a/b/alice.db-wal'].map(
        (name) => statSync(join(folder, name)).mode & 0o777,
      );
      expect(modes).toEqual([0o700, 0o700, 0o600, 0o600]);
      for (let openings = 0; openings < 3; openings++) {
        await store.close();
        expect(readdirSync(join(folder, 'a', 'b'))).toEqual(['alice.db']);
        await store.open();
        expect(readdirSync(join(folder, 'a', 'b'))).toEqual(['alice.db', 'alice.db-wal']);
      }
      await store.close();
    }));

  test('lies beside its key file under the same name', () => {
    const options = { storeKey: storeKey() };
    const besides = ['/keys/alice.json', '/keys/alice', '/keys/alice.v2.json'].map(
      (path) => SqliteAgentStore.beside(path, options).path,
    );
    expect(besides).toEqual(['/keys/alice.db', '/keys/alice.db', '/keys/alice.v2.db']);
  });

  test('may have a path that SQLite would take for something else', () =>
    inFolder(async ({ folder }) => {
      for (const name of [':memory:', 'file:x?mode=memory', 'a b%20c#d.db']) {
        const store = storeAt(join(folder, name));
        await store.open();
        await store.close();
        expect(statSync(join(folder, name)).size).toBeGreaterThan(0);
      }
    }));

  test('that others could read is closed to them', () =>
    inFolder(async ({ path }) => {
      await filled(path);
      chmodSync(path, 0o644);
      const store = storeAt(path);
      await store.open();
      expect(statSync(path).mode & 0o777).toBe(0o600);
      await store.close();
    }));

  test('killed before it had its tables is a new store again', () =>
    inFolder(async ({ path }) => {
      writeFileSync(path, '');
      edit(path, 'PRAGMA journal_mode = WAL');
      expect(statSync(path).size).toBeGreaterThan(0);
      const store = storeAt(path);
      await store.open();
      expect(await store.range(all)).toEqual([]);
      await store.close();
    }));
});

describe('one process (P8)', () => {
  const locked = { name: 'StorageError', code: 'STORE_LOCKED', retryable: true };

  test('T-S7 two-processes: another one is refused within a second and harms nothing', () =>
    inFolder(async ({ path }) => {
      await filled(path);
      const store = storeAt(path);
      await store.open();
      const other = new StoreWriter(path);
      const [word, code, milliseconds] = (await other.first()).split(' ');
      await other.ended();
      expect([word, code]).toEqual(['refused', 'STORE_LOCKED']);
      expect(Number(milliseconds)).toBeLessThan(1_000);
      await store.commit([{ put: 'row/x', value: text('still mine') }]);
      expect(await store.range(all)).toHaveLength(ROWS + 1);
      await store.close();
    }));

  test('a store is refused while another process has it, even stopped, until it is killed', () =>
    inFolder(async ({ path }) => {
      const other = new StoreWriter(path, { hold: true });
      expect(await other.first()).toBe('open 1');
      const store = storeAt(path);
      await expect(store.open()).rejects.toMatchObject(locked);
      await other.freeze();
      await expect(store.open()).rejects.toMatchObject(locked);
      await other.kill();
      await store.open();
      await store.close();
    }));

  test('a process that copies its own files keeps its store: others are refused as before', () =>
    inFolder(async ({ folder, path }) => {
      await filled(path);
      const store = storeAt(path);
      await store.open();
      for (const file of readdirSync(folder)) {
        copyFileSync(join(folder, file), join(folder, `copy-of-${file}`));
        readFileSync(join(folder, file));
      }
      const other = new StoreWriter(path);
      expect(await other.first()).toMatch(/^refused STORE_LOCKED/);
      await other.ended();
      await store.commit([{ put: 'row/x', value: text('still mine') }]);
      await store.close();
      await store.open();
      expect(await store.range(all)).toHaveLength(ROWS + 1);
      await store.close();
    }));

  test('a copy of a store in use is a store of its own, which nobody has', () =>
    inFolder(async ({ folder, path }) => {
      await filled(path);
      const store = storeAt(path);
      await store.open();
      const copy = join(folder, 'copy.db');
      copyFileSync(path, copy);
      copyFileSync(`${path}-wal`, `${copy}-wal`);
      const other = storeAt(copy);
      await other.open();
      expect(await other.range(all)).toHaveLength(ROWS);
      await other.close();
      await expect(storeAt(path).open()).rejects.toMatchObject(locked);
      await store.close();
    }));

  test('of many processes that start at once, one gets the store', () =>
    inFolder(async ({ path }) => {
      await filled(path);
      const others = Array.from({ length: 6 }, () => new StoreWriter(path, { hold: true }));
      const words = await Promise.all(others.map((other) => other.first()));
      await Promise.all(others.map((other) => other.kill()));
      expect(words.filter((line) => line.startsWith('open'))).toHaveLength(1);
      expect(words.filter((line) => line.startsWith('refused STORE_LOCKED'))).toHaveLength(5);
    }));
});

describe('a file that is not this store is refused and left as it is', () => {
  const files: [string, (path: string) => void, string][] = [
    ['garbage', (path) => writeFileSync(path, 'no database '.repeat(1_000)), 'STORE_CORRUPT'],
    ['one byte', (path) => writeFileSync(path, 'x'), 'STORE_CORRUPT'],
    ['less than a page', (path) => truncateSync(path, 511), 'STORE_CORRUPT'],
    ['a store cut short', (path) => truncateSync(path, 8 * 4_096 + 17), 'STORE_CORRUPT'],
    ['a store cut to one page', (path) => truncateSync(path, 4_096), 'STORE_CORRUPT'],
    [
      'the database of another program',
      (path) => {
        rmSync(path);
        edit(path, 'CREATE TABLE accounts (id INTEGER PRIMARY KEY)');
      },
      'STORE_CORRUPT',
    ],
    [
      'an empty database that another program marked as its own',
      (path) => {
        rmSync(path);
        edit(path, 'PRAGMA application_id = 7');
      },
      'STORE_CORRUPT',
    ],
    [
      'a store of a newer version',
      (path) => edit(path, 'PRAGMA user_version = 3'),
      'STORE_VERSION',
    ],
    ['a store of version 0', (path) => edit(path, 'PRAGMA user_version = 0'), 'STORE_CORRUPT'],
    ['a store of version -1', (path) => edit(path, 'PRAGMA user_version = -1'), 'STORE_CORRUPT'],
    ['a store without its journal', (path) => edit(path, 'DROP TABLE journal'), 'STORE_CORRUPT'],
    [
      'a store without the key of its journal',
      (path) => edit(path, `DELETE FROM meta WHERE key = 'journal'`),
      'STORE_CORRUPT',
    ],
    ['a store without its table', (path) => edit(path, 'DROP TABLE row'), 'STORE_CORRUPT'],
    ['a store without its key row', (path) => edit(path, 'DELETE FROM meta'), 'STORE_CORRUPT'],
    [
      'a store with a damaged key row',
      (path) => edit(path, `UPDATE meta SET value = zeroblob(32)`),
      'STORE_CORRUPT',
    ],
  ];

  test.each(files)('%s', (_name, spoil, code) =>
    inFolder(async ({ path }) => {
      await filled(path);
      spoil(path);
      await expectRefusal(path, code);
    }),
  );

  test('a folder where the file should be', () =>
    inFolder(async ({ path }) => {
      mkdirSync(path);
      await expect(storeAt(path).open()).rejects.toMatchObject({ code: 'STORE_FAILED' });
    }));

  test('a file where the folder should be', () =>
    inFolder(async ({ path }) => {
      writeFileSync(path, '');
      const inside = storeAt(join(path, 'alice.db'));
      await expect(inside.open()).rejects.toMatchObject({ code: 'STORE_FAILED' });
    }));
});

describe('another key', () => {
  test('is STORE_MISMATCH and changes nothing; the right one opens', () =>
    inFolder(async ({ path }) => {
      await filled(path);
      await expectRefusal(path, 'STORE_MISMATCH', 8);
      const store = storeAt(path);
      await store.open();
      expect(await store.get('secret')).toEqual(text('the cake is a lie'));
      await store.close();
    }));

  test('changes nothing in a log that a killed process left either', () =>
    inFolder(async ({ folder, path }) => {
      const writer = new StoreWriter(path);
      await writer.reported(20);
      await writer.kill();
      expect(readdirSync(folder)).toContain('alice.db-wal');
      await expectRefusal(path, 'STORE_MISMATCH', 8);
    }));
});

describe('files that go away under an open store', () => {
  const failed = { name: 'StorageError', code: 'STORE_FAILED', retryable: false };

  test.each(['alice.db', 'alice.db-wal'])('%s removed: nothing is taken any more', (name) =>
    inFolder(async ({ folder, path }) => {
      await filled(path);
      const store = storeAt(path);
      await store.open();
      rmSync(join(folder, name));
      const commits = [1, 2].map(() => store.commit([{ put: 'a', value: text('x') }]));
      for (const commit of commits) await expect(commit).rejects.toMatchObject(failed);
      await expect(store.get('secret')).rejects.toMatchObject(failed);
      await expect(store.range(all)).rejects.toMatchObject(failed);
      await store.close();
    }),
  );

  test('replaced by another: neither is written', () =>
    inFolder(async ({ folder, path }) => {
      await filled(path);
      const store = storeAt(path);
      await store.open();
      renameSync(path, join(folder, 'old.db'));
      writeFileSync(path, 'mine');
      const before = readFileSync(join(folder, 'old.db'));
      await expect(store.commit([{ put: 'a', value: text('x') }])).rejects.toMatchObject(failed);
      await store.close();
      expect(readFileSync(path, 'utf8')).toBe('mine');
      expect(readFileSync(join(folder, 'old.db')).equals(before)).toBe(true);
    }));
});

describe('a file that may not be written', () => {
  const NOBODY = 65_534;

  /** Rights mean nothing to root, who runs the task as somebody else. */
  async function withoutRights<T>(folder: string, task: () => Promise<T>): Promise<T> {
    if (process.geteuid?.() !== 0) return task();
    for (const name of readdirSync(folder)) chownSync(join(folder, name), NOBODY, NOBODY);
    chownSync(folder, NOBODY, NOBODY);
    process.seteuid?.(NOBODY);
    try {
      return await task();
    } finally {
      process.seteuid?.(0);
    }
  }

  test.each([
    ['mode 000', 0o000, 0o700],
    ['mode 0400', 0o400, 0o700],
    ['a folder of mode 0500', 0o600, 0o500],
    ['a folder of mode 000', 0o600, 0o000],
  ])('%s is STORE_FAILED and changes nothing', (_name, fileMode, folderMode) =>
    inFolder(async ({ folder, path }) => {
      await filled(path);
      const before = snapshot(folder);
      chmodSync(path, fileMode);
      await withoutRights(folder, async () => {
        chmodSync(folder, folderMode);
        const opening = storeAt(path).open();
        await expect(opening).rejects.toMatchObject({ code: 'STORE_FAILED', retryable: false });
        await expect(opening).rejects.toThrow(path);
        chmodSync(folder, 0o700);
      });
      chmodSync(path, 0o600);
      expect(snapshot(folder)).toEqual(before);
    }),
  );
});
