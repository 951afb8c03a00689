/**
 * The very connection that `SqliteAgentStore` uses: its settings, its transactions, and what the
 * store makes of failures that no test can cause on a real disk.
 */
import fs from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import type { SqliteAgentStore } from '../src/node.js';
import type { Folder } from './store-folder.js';

jest.setTimeout(60_000);

/** Connections in the order of their opening, with all that was executed on them. */
const connections: Watched[] = [];
/** Throws in place of the next execution of this text. */
let fault: { readonly text: string; readonly errcode: number } | null = null;

class Watched extends DatabaseSync {
  readonly executed: string[] = [];

  constructor(...parameters: ConstructorParameters<typeof DatabaseSync>) {
    super(...parameters);
    connections.push(this);
  }

  override exec(sql: string): void {
    this.executed.push(sql);
    if (fault?.text === sql) {
      const { errcode } = fault;
      fault = null;
      throw Object.assign(new TypeError('injected'), { code: 'ERR_SQLITE_ERROR', errcode });
    }
    super.exec(sql);
  }
}

/** Syncs of the log that a test answers: null while they are the system's. */
let syncs: ((error: Error | null) => void)[] | null = null;
const heldSync = (descriptor: number, done: (error: Error | null) => void): void => {
  if (syncs === null) fs.fdatasync(descriptor, done);
  else syncs.push(done);
};

// The store asks the process for SQLite, so that it is missing in one sentence on an old Node.
const builtin = process.getBuiltinModule.bind(process);
process.getBuiltinModule = (id: string) =>
  id === 'node:sqlite' ? { DatabaseSync: Watched } : builtin(id);
jest.unstable_mockModule('node:fs', () => ({ ...fs, fdatasync: heldSync }));
const { newFolder, storeAt } = await import('./store-folder.js');

const IOERR_FSYNC = 1_034;
const FULL = 13;
const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(() => setImmediate(resolve));
  });
const put = (key: string) => ({ put: key, value: new Uint8Array(100) });
const all = { from: ' ', to: '~', limit: 10_000 };

let folder: Folder;

async function opened(): Promise<SqliteAgentStore> {
  folder = await newFolder();
  const store = storeAt(folder.path);
  await store.open();
  return store;
}

function connection(): Watched {
  const last = connections.at(-1);
  if (last === undefined) throw new TypeError('no connection');
  return last;
}

const count = (sql: string): number => connection().executed.filter((text) => text === sql).length;

afterEach(() => folder.dispose());

describe('the connection', () => {
  test.each([
    ['journal_mode', 'wal'],
    // NORMAL: SQLite syncs around checkpoints; the log is synced by us before a commit resolves.
    ['synchronous', 1],
    ['secure_delete', 1],
    ['locking_mode', 'exclusive'],
    ['wal_autocheckpoint', 0],
    ['trusted_schema', 0],
    ['temp_store', 2],
  ])('has %s = %s, in a new file and in one that was there', async (pragma, value) => {
    const store = await opened();
    const setting = (): unknown =>
      Object.values(connection().prepare(`PRAGMA ${pragma}`).get() ?? {})[0];
    expect(setting()).toBe(value);
    await store.close();
    await store.open();
    expect(setting()).toBe(value);
    await store.close();
  });

  test('looks at a file through a connection that cannot write', async () => {
    const store = await opened();
    await store.close();
    connections.length = 0;
    await store.open();
    expect(connections).toHaveLength(2);
    expect(connections[0]?.executed).toEqual([]);
    await store.close();
  });

  test('commits 100 commits of one turn at once', async () => {
    const store = await opened();
    const before = count('COMMIT');
    await Promise.all(Array.from({ length: 100 }, (_, n) => store.commit([put(`k${n}`)])));
    expect(count('COMMIT') - before).toBe(1);
    await store.close();
  });
});

describe('a commit that the disk refuses', () => {
  test('is STORE_FAILED, with all that wait; nothing of them is there', async () => {
    const store = await opened();
    await store.commit([put('before')]);
    fault = { text: 'COMMIT', errcode: IOERR_FSYNC };
    const failed = { name: 'StorageError', code: 'STORE_FAILED', retryable: false };
    const commits = Array.from({ length: 600 }, (_, n) => store.commit([put(`k${n}`)]));
    for (const result of await Promise.allSettled(commits)) {
      expect(result).toMatchObject({ status: 'rejected', reason: failed });
    }
    await expect(store.commit([put('later')])).rejects.toMatchObject(failed);
    await expect(store.get('before')).rejects.toMatchObject(failed);
    // The log may hold the refused transaction as if it were complete.
    expect(connection().executed.slice(-2)).toEqual([
      'ROLLBACK',
      'PRAGMA wal_checkpoint(TRUNCATE)',
    ]);
    await store.close();
    await store.open();
    expect((await store.range(all)).map(({ key }) => key)).toEqual(['before']);
    await store.close();
  });

  test('for want of room is tried once more with an empty log', async () => {
    const store = await opened();
    fault = { text: 'COMMIT', errcode: FULL };
    await store.commit([put('a')]);
    expect((await store.range(all)).map(({ key }) => key)).toEqual(['a']);
    await store.close();
  });

  test('before it began leaves the store as it was', async () => {
    const store = await opened();
    fault = { text: 'BEGIN IMMEDIATE', errcode: IOERR_FSYNC };
    await expect(store.commit([put('a')])).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await store.close();
    await store.open();
    expect(await store.range(all)).toEqual([]);
    await store.close();
  });
});

describe('the sync of the log', () => {
  afterEach(() => {
    syncs = null;
  });

  test('comes before a commit resolves, and the loop goes on meanwhile', async () => {
    const store = await opened();
    syncs = [];
    const done: string[] = [];
    const first = store.commit([put('a')]).then(() => done.push('a'));
    await turn();
    const second = store.commit([put('b')]).then(() => done.push('b'));
    await turn();
    // The second one waits for the first one's sync, to share the next.
    expect([syncs.length, done]).toEqual([1, []]);
    syncs.shift()?.(null);
    await first;
    await turn();
    expect([syncs.length, done]).toEqual([1, ['a']]);
    syncs.shift()?.(null);
    await second;
    await store.close();
  });

  test.each(['EIO', 'ENOSPC'])(
    'that fails with %s ends the store; nothing of it is there later',
    async (code) => {
      const store = await opened();
      await store.commit([put('before')]);
      syncs = [];
      const commits = [store.commit([put('a')]), store.commit([put('b')])];
      await turn();
      commits.push(store.commit([put('c')]));
      syncs.shift()?.(Object.assign(new Error(code), { code, syscall: 'fdatasync' }));
      for (const result of await Promise.allSettled(commits)) {
        expect(result).toMatchObject({ status: 'rejected', reason: { code: 'STORE_FAILED' } });
      }
      await expect(store.get('before')).rejects.toMatchObject({ code: 'STORE_FAILED' });
      await store.close();
      syncs = null;
      await store.open();
      expect((await store.range(all)).map(({ key }) => key)).toEqual(['before']);
      await store.close();
    },
  );
});

describe('a checkpoint that fails', () => {
  const checkpoint = 'PRAGMA wal_checkpoint(TRUNCATE)';
  const long = { put: 'long', value: new Uint8Array(4_400_000) };

  test('for want of room harms nothing and is tried again', async () => {
    const store = await opened();
    fault = { text: checkpoint, errcode: FULL };
    await store.commit([long]);
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
    expect(fault).toBeNull();
    const before = count(checkpoint);
    await store.commit([long]);
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
    expect(count(checkpoint)).toBe(before + 1);
    expect(await store.range(all)).toHaveLength(1);
    await store.close();
  });

  test('otherwise leaves what was committed, and refuses the calls to come', async () => {
    const store = await opened();
    fault = { text: checkpoint, errcode: IOERR_FSYNC };
    await store.commit([long]);
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
    await expect(store.commit([put('a')])).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await store.close();
    await store.open();
    expect((await store.range(all)).map(({ key }) => key)).toEqual(['long']);
    await store.close();
  });
});
