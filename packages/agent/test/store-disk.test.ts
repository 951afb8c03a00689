/**
 * What a disk shows of a store, to somebody who reads its files: nothing in the clear, and nothing
 * of what was deleted a few seconds ago.
 */
import { copyFileSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout } from 'node:timers/promises';
import { Secret } from '@agentmesh/crypto';
import { openRow } from '@agentmesh/crypto/node';
import { describe, expect, jest, test } from '@jest/globals';
import { inFolder, storeAt, storeKey } from './store-folder.js';
import { StoreWriter } from './store-process.js';

jest.setTimeout(60_000);

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe('what lies on the disk', () => {
  test('holds no value in the clear, in the file or in its log', () =>
    inFolder(async ({ folder, path }) => {
      const store = storeAt(path);
      await store.open();
      await store.commit([
        { put: 'session/1', value: text('a secret of eight words in the clear') },
      ]);
      const isClear = (needle: string): boolean =>
        readdirSync(folder).some((name) => readFileSync(join(folder, name)).includes(needle));
      // In the journal not even the key.
      expect([isClear('eight words'), isClear('session/1')]).toEqual([false, false]);
      await store.close();
      expect([isClear('eight words'), isClear('session/1')]).toEqual([false, true]);
      expect(isClear(Buffer.from(storeKey().reveal()).toString('latin1'))).toBe(false);
    }));

  test('forgets deleted and overwritten values within seconds, in the file and in its log', () =>
    inFolder(async ({ folder, path }) => {
      const store = storeAt(path);
      await store.open();
      const value = new Uint8Array(6_000).fill(1);
      await store.commit(['a', 'b', 'c'].map((key) => ({ put: key, value })));
      await untilInTable(folder, path, 3);
      const sealed = sealedRows(folder, path);
      const rest = (): number[] => sealed.map((row) => Number(isOnDisk(folder, row)));
      expect(rest()).toEqual([1, 1, 1]);
      await store.commit([{ delete: 'a' }, { put: 'b', value }]);
      await merged(path);
      expect(rest()).toEqual([0, 0, 1]);
      await store.close();
    }));

  test('forgets the key of a journal with what was in it, within seconds', () =>
    inFolder(async ({ folder, path }) => {
      const store = storeAt(path);
      await store.open();
      await store.commit([{ put: 'a', value: text('a secret that lives for a moment') }]);
      const held = journalOf(folder, path);
      expect(held.open(held.pieces)).toContain('lives for a moment');
      await store.commit([{ delete: 'a' }]);
      await merged(path);
      const left = journalOf(folder, path);
      // Whatever is left of the pieces, no key that is left opens them.
      expect(left.open(held.pieces)).toBeNull();
      expect(left.open(left.pieces)).toBeNull();
      expect(isOnDisk(folder, held.sealedKey)).toBe(false);
      await store.close();
    }));

  test('has a log of at most 5 MiB, however steady the commits', () =>
    inFolder(async ({ path }) => {
      const store = storeAt(path);
      await store.open();
      let longest = 0;
      for (let n = 0; n < 300; n++) {
        await store.commit([{ put: `row/${n % 50}`, value: new Uint8Array(20_000) }]);
        longest = Math.max(longest, statSync(`${path}-wal`).size);
      }
      expect(longest).toBeGreaterThan(3_000_000);
      expect(longest).toBeLessThan(5 * 1024 * 1024);
      await store.close();
    }));

  test('is emptied of what a killed process had overwritten when the store is opened', () =>
    inFolder(async ({ path }) => {
      const writer = new StoreWriter(path);
      await writer.reported(20);
      await writer.kill();
      expect(statSync(`${path}-wal`).size).toBeGreaterThan(0);
      const store = storeAt(path);
      await store.open();
      expect(statSync(`${path}-wal`).size).toBe(0);
      await store.close();
    }));

  /** Until so many rows are in the table, at most for ten seconds: young ones are not. */
  async function untilInTable(folder: string, path: string, rows: number): Promise<void> {
    const deadlineMs = performance.now() + 10_000;
    while (performance.now() < deadlineMs && sealedRows(folder, path).length < rows) {
      await setTimeout(50);
    }
    expect(sealedRows(folder, path)).toHaveLength(rows);
  }

  /** Until the journal is merged and the log is empty, at most for five seconds. */
  async function merged(path: string): Promise<void> {
    const deadlineMs = performance.now() + 5_000;
    while (performance.now() < deadlineMs && statSync(`${path}-wal`).size > 0) {
      await setTimeout(50);
    }
    expect(statSync(`${path}-wal`).size).toBe(0);
  }

  /** The first batch of the journal and its key, as a thief who knows the store key has them. */
  function journalOf(folder: string, path: string) {
    const copy = join(folder, '..', `${Date.now()}-${process.pid}.db`);
    for (const end of ['', '-wal']) copyFileSync(path + end, copy + end);
    const database = new DatabaseSync(copy);
    const pieces = database.prepare('SELECT piece FROM journal ORDER BY n').all();
    const key = database.prepare(`SELECT value FROM meta WHERE key = 'journal'`).get()?.['value'];
    database.close();
    rmSync(copy);
    const sealedKey = Buffer.from(key as Uint8Array);
    const bytes = Buffer.concat(pieces.map(({ piece }) => piece as Uint8Array));
    const cycle = openRow({
      storeKey: storeKey(),
      table: 'meta',
      id: 'journal',
      sealed: sealedKey,
    });
    const open = (joined: Buffer): string | null => {
      const cycleKey = new Secret('store key', (cycle ?? new Uint8Array()).slice(0, 32));
      const sealed = joined.subarray(12, 12 + joined.readUInt32BE(8));
      const row = openRow({ storeKey: cycleKey, table: 'journal', id: '1', sealed });
      return row === null ? null : Buffer.from(row).toString('latin1');
    };
    return { pieces: bytes, sealedKey, open };
  }

  /** 64 bytes of each sealed value, from copies, so that no lock of the open store is lost. */
  function sealedRows(folder: string, path: string): Buffer[] {
    const copy = join(folder, '..', `${Date.now()}-${process.pid}.db`);
    for (const end of ['', '-wal']) copyFileSync(path + end, copy + end);
    const database = new DatabaseSync(copy);
    const rows = database.prepare('SELECT value FROM row ORDER BY key').all();
    database.close();
    rmSync(copy);
    return rows.map(({ value }) => Buffer.from(value as Uint8Array).subarray(0, 64));
  }

  function isOnDisk(folder: string, part: Buffer): boolean {
    return readdirSync(folder).some((name) => readFileSync(join(folder, name)).includes(part));
  }
});
