/**
 * The disk under the store: nothing is answered or read before the log's own file is synced, and
 * nothing more is taken once that has failed. The system call is held up here, never replaced.
 */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';

type Sync = (error: NodeJS.ErrnoException | null) => void;

/** Calls that wait: the file, and what lets the real call happen or fail. */
const held: { readonly fd: number; readonly go: (error?: NodeJS.ErrnoException) => void }[] = [];
let isHeld = false;

function fdatasync(fd: number, done: Sync): void {
  const go = (error?: NodeJS.ErrnoException): void =>
    error === undefined ? fs.fdatasync(fd, done) : done(error);
  if (isHeld) held.push({ fd, go });
  else go();
}

jest.unstable_mockModule('node:fs', () => ({ ...fs, fdatasync }));
const { SqliteHubStore } = await import('../src/index.js');
const { append, envelope, inFolder, register, waiting } = await import('./store-samples.js');

const rest = (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, 50));

test('an envelope is accepted and read once the log is on the disk, not before', () =>
  inFolder(async (folder) => {
    const store = await SqliteHubStore.open({ folder });
    await register(store, 2);
    const log = fs.statSync(join(folder, 'hub.db-wal'));
    isHeld = true;
    const steps: string[] = [];
    const appended = append(store, envelope(1)).then(() => steps.push('accepted'));
    await rest();
    const read = waiting(store).then((numbers) => steps.push(`read ${numbers.join()}`));
    await rest();
    expect(steps).toEqual([]);
    expect(held.map(({ fd }) => fs.fstatSync(fd).ino)).toEqual([log.ino]);
    isHeld = false;
    held.pop()?.go();
    await Promise.all([appended, read]);
    expect(steps.toSorted()).toEqual(['accepted', 'read 1']);
    await store.close();
  }));

test('after a sync that failed the store takes and shows nothing until it is opened again', () =>
  inFolder(async (folder) => {
    const fatal: string[] = [];
    const onFatal = ({ code }: { readonly code: string }): void => void fatal.push(code);
    const store = await SqliteHubStore.open({ folder, onFatal });
    await register(store, 2);
    isHeld = true;
    const appended = append(store, envelope(1)).catch((error: unknown) => error);
    await rest();
    isHeld = false;
    held.pop()?.go(Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'fdatasync' }));
    expect(await appended).toMatchObject({ code: 'STORE_FAILED' });
    await expect(append(store, envelope(2))).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await expect(waiting(store)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect(fatal).toEqual(['STORE_FAILED']);
    await store.close();
    const again = await SqliteHubStore.open({ folder });
    await append(again, envelope(2));
    expect(await waiting(again)).toContain(2);
    await again.close();
  }));
