import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from '@jest/globals';
import { GroupCommit } from './group-commit.js';
import type { HubStoreError } from './store-error.js';

/** A group commit over a table in memory, with a disk that syncs when it is told to. */
function bench() {
  const database = new DatabaseSync(':memory:');
  database.exec('CREATE TABLE t (n INTEGER UNIQUE)');
  const insert = database.prepare('INSERT INTO t VALUES (?)');
  const events: string[] = [];
  const syncs: PromiseWithResolvers<void>[] = [];
  const failures: HubStoreError[] = [];
  const group = new GroupCommit({
    database,
    followers: [
      {
        write: () => undefined,
        committed: () => events.push('committed'),
        rolledBack: () => events.push('rolled back'),
      },
    ],
    sync: () => {
      events.push('sync');
      const sync = Promise.withResolvers<void>();
      syncs.push(sync);
      return sync.promise;
    },
    confirmFiles: () => undefined,
    onCommit: () => undefined,
    onFatal: (error) => failures.push(error),
    monotonic: () => 0,
    onCommitTime: () => undefined,
  });
  const add = (n: number): Promise<void> => {
    const change = { weight: 1, run: () => insert.run(n) };
    return group.add(change).then(
      () => void events.push(`${n} is durable`),
      (error: HubStoreError) => void events.push(`${n}: ${error.code}`),
    );
  };
  const rows = (): number => Number(database.prepare('SELECT count(*) AS n FROM t').get()?.['n']);
  return { group, add, rows, events, syncs, failures };
}

const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(() => setImmediate(resolve));
  });

describe('a group commit', () => {
  test('answers only after the sync, and gathers the next group meanwhile', async () => {
    const { add, events, syncs } = bench();
    const all = [add(1), add(2)];
    await turn();
    expect(events).toEqual(['committed', 'sync']);
    all.push(add(3), add(4));
    await turn();
    expect(events).toEqual(['committed', 'sync']);
    syncs[0]?.resolve();
    await turn();
    expect(events.slice(2)).toEqual(['1 is durable', '2 is durable', 'committed', 'sync']);
    syncs[1]?.resolve();
    await Promise.all(all);
    expect(events.slice(6)).toEqual(['3 is durable', '4 is durable']);
  });

  test('lets nothing be read that is not on the disk', async () => {
    const { group, add, rows, events, syncs } = bench();
    const added = add(1);
    await turn();
    const read = group.read(rows).then((n) => events.push(`read ${n}`));
    await turn();
    expect(events).toEqual(['committed', 'sync']);
    syncs[0]?.resolve();
    await Promise.all([added, read]);
    expect(events.slice(2).toSorted()).toEqual(['1 is durable', 'read 1']);
  });

  test('after a failed sync nothing is known to be kept: all is refused from then on', async () => {
    const { group, add, rows, events, syncs, failures } = bench();
    const all = [add(1)];
    await turn();
    all.push(add(2));
    syncs[0]?.reject(Object.assign(new Error('EIO'), { syscall: 'fdatasync', code: 'EIO' }));
    await Promise.all(all);
    expect(events.slice(2)).toEqual(['1: STORE_FAILED', '2: STORE_FAILED']);
    expect(failures.map(({ code }) => code)).toEqual(['STORE_FAILED']);
    await expect(group.read(rows)).rejects.toMatchObject({ code: 'STORE_FAILED' });
  });

  test('a full disk that only the sync meets is no small matter either', async () => {
    const { add, events, syncs, failures } = bench();
    const added = add(1);
    await turn();
    syncs[0]?.reject(Object.assign(new Error('full'), { syscall: 'fdatasync', code: 'ENOSPC' }));
    await added;
    expect(events.slice(2)).toEqual(['1: STORE_FAILED']);
    expect(failures).toHaveLength(1);
  });

  test('one change at fault is refused alone', async () => {
    const { add, events, syncs } = bench();
    const all = [add(1), add(1), add(2)];
    await turn();
    syncs[0]?.resolve();
    await Promise.all(all);
    expect(events.filter((event) => event.includes(' is ') || event.includes(':'))).toEqual([
      '1: STORE_DEFECT',
      '1 is durable',
      '2 is durable',
    ]);
  });

  test('closing commits and syncs what is pending', async () => {
    const { group, add, rows, events, syncs } = bench();
    const added = add(1);
    const closed = group.close();
    await turn();
    expect(events).toEqual(['committed', 'sync']);
    syncs[0]?.resolve();
    await Promise.all([added, closed]);
    expect(events.at(-1)).toBe('1 is durable');
    await expect(group.read(rows)).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    await add(2);
    expect(events.at(-1)).toBe('2: STORE_CLOSED');
  });
});
