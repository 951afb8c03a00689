/**
 * The files under the store: who may open them, what is refused, and that a refusal leaves every
 * byte as it was.
 */
import { spawnSync } from 'node:child_process';
import { hash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from '@jest/globals';
import { SqliteHubStore } from '../src/index.js';
import { openDatabase, prepareFile } from '../src/sqlite/open-database.js';
import { systemHost } from '@agentmesh/hub-local';
import { MIGRATIONS } from '../src/sqlite/schema.js';
import { append, commit, envelope, inFolder, register, aid, waiting } from './store-samples.js';

const PAGE = 4_096;

/** Digest of every file that holds something. */
function snapshot(folder: string): Record<string, string> {
  const paths = readdirSync(folder).map((name) => join(folder, name));
  // Looking at a database leaves an index of its log behind, which holds no data.
  const files = paths.filter((path) => !path.endsWith('-shm') && statSync(path).size > 0);
  return Object.fromEntries(files.map((path) => [path, hash('sha256', readFileSync(path))]));
}

async function filled(folder: string, envelopes = 300): Promise<void> {
  const store = await SqliteHubStore.open({ folder });
  await register(store, 2);
  const numbers = Array.from({ length: envelopes }, (_, n) => envelope(n));
  await commit(store, { append: numbers });
  await store.close();
}

async function expectRefusal(folder: string, code: string): Promise<void> {
  const before = snapshot(folder);
  await expect(SqliteHubStore.open({ folder })).rejects.toMatchObject({
    code,
    retryable: false,
    message: expect.stringContaining('hub.db') as unknown,
  });
  expect(snapshot(folder)).toEqual(before);
}

describe('opening', () => {
  test('makes a folder and a file for the owner only', () =>
    inFolder(async (folder) => {
      const inner = join(folder, 'a', 'b');
      const store = await SqliteHubStore.open({ folder: inner });
      await store.hubSeed(() => new Uint8Array(32).fill(7));
      const modes = ['', 'hub.db', 'hub.db-wal'].map((name) => statSync(join(inner, name)).mode);
      expect(modes.map((mode) => mode & 0o777)).toEqual([0o700, 0o600, 0o600]);
      await store.close();
      expect(await SqliteHubStore.open({ folder: inner }).then((again) => again.close())).toBe(
        undefined,
      );
    }));

  test('is done with commits that are synced, by a process that keeps the file to itself', () =>
    inFolder((folder) => {
      prepareFile(folder);
      const { random } = systemHost;
      const database = openDatabase({ folder, random, failpoint: () => undefined });
      const valueOf = (pragma: string): unknown =>
        Object.values(database.prepare(`PRAGMA ${pragma}`).get() ?? {})[0];
      const inForce = ['synchronous', 'journal_mode', 'locking_mode', 'user_version'].map(valueOf);
      expect(inForce).toEqual([2, 'wal', 'exclusive', MIGRATIONS.length]);
      database.close();
      return Promise.resolve();
    }));

  test('closes a file that others could read', () =>
    inFolder(async (folder) => {
      await filled(folder);
      chmodSync(join(folder, 'hub.db'), 0o644);
      const store = await SqliteHubStore.open({ folder });
      expect(statSync(join(folder, 'hub.db')).mode & 0o777).toBe(0o600);
      await store.close();
    }));

  test('a second opening is refused while the first lives, in this process and in another', () =>
    inFolder(async (folder) => {
      const store = await SqliteHubStore.open({ folder });
      await expect(SqliteHubStore.open({ folder })).rejects.toMatchObject({ code: 'STORE_LOCKED' });
      const script = `const { DatabaseSync } = require('node:sqlite');
        new DatabaseSync(${JSON.stringify(join(folder, 'hub.db'))}).exec('SELECT * FROM meta');`;
      const other = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
      expect(other.stderr).toContain('database is locked');
      await register(store, 2);
      expect(await append(store, envelope(1))).toMatchObject({ status: 'stored' });
      await store.close();
      await (await SqliteHubStore.open({ folder })).close();
    }));

  test('a process that copies the files of its own store keeps it', () =>
    inFolder(async (folder) => {
      await filled(folder);
      const data = { folder };
      const store = await SqliteHubStore.open(data);
      for (const name of readdirSync(folder)) readFileSync(join(folder, name));
      copyFileSync(join(folder, 'hub.db'), join(folder, 'copy.db'));
      // SQLite's own lock is gone with the first of these closings.
      const door = JSON.stringify(new URL('../dist/index.js', import.meta.url).href);
      const script = `const { SqliteHubStore } = await import(${door});
        await SqliteHubStore.open({ folder: ${JSON.stringify(folder)} })
          .then(() => console.log('opened'), ({ code }) => console.log(code));`;
      const other = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
        encoding: 'utf8',
      });
      expect(other.stdout).toBe('STORE_LOCKED\n');
      await expect(SqliteHubStore.open(data)).rejects.toMatchObject({ code: 'STORE_LOCKED' });
      expect(await append(store, envelope(1_000))).toMatchObject({ status: 'stored' });
      await store.close();
    }));

  test('a file where the folder should be is refused', () =>
    inFolder(async (folder) => {
      writeFileSync(join(folder, 'x'), '');
      await expect(SqliteHubStore.open({ folder: join(folder, 'x') })).rejects.toMatchObject({
        code: 'STORE_UNWRITABLE',
      });
    }));

  test('a folder where the file should be is refused', () =>
    inFolder(async (folder) => {
      mkdirSync(join(folder, 'hub.db'));
      await expect(SqliteHubStore.open({ folder })).rejects.toMatchObject({
        code: 'STORE_UNWRITABLE',
      });
    }));
});

describe('a damaged or foreign file is refused and left as it is', () => {
  const damage: [string, (path: string) => void, string][] = [
    ['garbage', (path) => writeFileSync(path, 'no database '.repeat(1_000)), 'STORE_FOREIGN'],
    ['a page of names overwritten', (path) => overwriteRoot(path, 'holder'), 'STORE_CORRUPT'],
    ['a page of parties overwritten', (path) => overwriteRoot(path, 'party'), 'STORE_CORRUPT'],
    ['a page of envelopes overwritten', (path) => overwriteRoot(path, 'envelope'), 'STORE_CORRUPT'],
    ['the schema overwritten', (path) => overwrite(path, 100, 600), 'STORE_CORRUPT'],
    ['cut short', (path) => truncateSync(path, 8 * PAGE + 17), 'STORE_CORRUPT'],
    ['the database of another program', foreign, 'STORE_FOREIGN'],
    ['the database of a newer hub', newer, 'STORE_VERSION'],
  ];

  test.each(damage)('%s', (_name, spoil, code) =>
    inFolder(async (folder) => {
      await filled(folder);
      spoil(join(folder, 'hub.db'));
      await expectRefusal(folder, code);
    }),
  );

  function overwriteRoot(path: string, table: string): void {
    const database = new DatabaseSync(path, { readOnly: true });
    const query = database.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?');
    const page = Number(query.get(table)!['rootpage']);
    database.close();
    overwrite(path, (page - 1) * PAGE + 8, 1_000);
  }

  function overwrite(path: string, at: number, length: number): void {
    const file = openSync(path, 'r+');
    writeSync(file, Buffer.alloc(length, 0xa5), 0, length, at);
  }

  function foreign(path: string): void {
    rmSync(path);
    const database = new DatabaseSync(path);
    database.exec('CREATE TABLE accounts (id INTEGER PRIMARY KEY)');
    database.close();
  }

  function newer(path: string): void {
    const database = new DatabaseSync(path);
    database.exec('PRAGMA user_version = 99');
    database.close();
  }
});

describe('files that go away under an open store', () => {
  test.each(['hub.db', 'hub.db-wal'])('%s removed: nothing is accepted any more', (name) =>
    inFolder(async (folder) => {
      const fatal: string[] = [];
      const store = await SqliteHubStore.open({ folder, onFatal: (e) => fatal.push(e.code) });
      await register(store, 2);
      rmSync(join(folder, name));
      const lost = { code: 'STORE_LOST' };
      await expect(append(store, envelope(1))).rejects.toMatchObject(lost);
      await expect(append(store, envelope(2))).rejects.toMatchObject(lost);
      const query = { recipient: aid(2), after: 0, messages: 1, bytes: 1, nowMs: 0 };
      await expect(store.read(query)).rejects.toMatchObject(lost);
      expect(store.failure?.code).toBe('STORE_LOST');
      expect(fatal).toEqual(['STORE_LOST']);
      await store.close();
    }),
  );

  test('replaced by another: neither is written', () =>
    inFolder(async (folder) => {
      const store = await SqliteHubStore.open({ folder });
      await register(store, 2);
      renameSync(join(folder, 'hub.db'), join(folder, 'old.db'));
      writeFileSync(join(folder, 'hub.db'), 'mine');
      await expect(append(store, envelope(1))).rejects.toMatchObject({ code: 'STORE_LOST' });
      await store.close();
      expect(readFileSync(join(folder, 'hub.db'), 'utf8')).toBe('mine');
    }));
});

test('what was stored is there after closing, the log moved into the database', () =>
  inFolder(async (folder) => {
    await filled(folder, 50);
    expect(readdirSync(folder)).toEqual(['hub.db']);
    const store = await SqliteHubStore.open({ folder });
    expect(await waiting(store)).toEqual(Array.from({ length: 50 }, (_, n) => n));
    await store.close();
    await expect(append(store, envelope(60))).rejects.toMatchObject({ code: 'STORE_CLOSED' });
  }));

describe('a database that was copied in use without its log is refused', () => {
  const copyTo = (from: string, to: string, names: readonly string[]): void => {
    mkdirSync(to, { mode: 0o700 });
    for (const name of names) copyFileSync(join(from, name), join(to, name));
  };

  /** Copies of the files of a running store. */
  async function inCopies(
    names: readonly string[],
    run: (copy: string, seed: Uint8Array) => Promise<void>,
  ): Promise<void> {
    await inFolder(async (folder) => {
      const [data, copy] = [join(folder, 'data'), join(folder, 'copy')];
      const store = await SqliteHubStore.open({ folder: data });
      const seed = await store.hubSeed(() => new Uint8Array(32).fill(7));
      await register(store, 2);
      copyTo(data, copy, names);
      await run(copy, seed);
      await store.close();
    });
  }

  const other = () => new Uint8Array(32).fill(8);

  test('the log alone is missing', () =>
    inCopies(['hub.db'], async (copy) => {
      await expectRefusal(copy, 'STORE_INCOMPLETE');
      writeFileSync(join(copy, 'hub.db-wal'), '');
      await expectRefusal(copy, 'STORE_INCOMPLETE');
      // The operator knows, and takes what there is.
      const store = await SqliteHubStore.open({ folder: copy, acceptLostLog: true });
      expect(await store.hubSeed(other)).toEqual(other());
      await store.close();
      await (await SqliteHubStore.open({ folder: copy })).close();
    }));

  test('the database is missing, or empty', () =>
    inCopies(['hub.db-wal'], async (copy) => {
      await expectRefusal(copy, 'STORE_INCOMPLETE');
      writeFileSync(join(copy, 'hub.db'), '');
      await expectRefusal(copy, 'STORE_INCOMPLETE');
    }));

  test('with both it is the same hub, and after an orderly end it needs no log', () =>
    inCopies(['hub.db', 'hub.db-wal'], async (copy, seed) => {
      const store = await SqliteHubStore.open({ folder: copy });
      expect(await store.hubSeed(other)).toEqual(seed);
      await store.close();
      expect(readdirSync(copy).filter((name) => name.endsWith('-wal'))).toEqual([]);
      const again = await SqliteHubStore.open({ folder: copy });
      expect(await again.hubSeed(other)).toEqual(seed);
      await again.close();
    }));
});
