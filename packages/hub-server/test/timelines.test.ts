/**
 * In which timeline a store goes on: known from before after an orderly end, and after no other one
 * where the database may be a copy that was restored.
 */
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { toBase64Url } from '@agentmesh/protocol';
import { SqliteHubStore } from '../src/index.js';
import { inFolder } from './store-samples.js';

async function opened(folder: string): Promise<{ store: SqliteHubStore; timelines: string[] }> {
  const store = await SqliteHubStore.open({ folder });
  const { timelines } = await store.history();
  return { store, timelines: timelines.map(toBase64Url) };
}

describe('the timelines of a store', () => {
  test('after orderly ends the ones before are known, the latest first, eight in all', () =>
    inFolder(async (folder) => {
      const met: string[] = [];
      for (let start = 0; start < 10; start++) {
        const { store, timelines } = await opened(folder);
        met.unshift(timelines[0] ?? '');
        expect(timelines).toEqual(met.slice(0, 8));
        await store.close();
      }
      expect(new Set(met).size).toBe(10);
    }));

  test('a copy of a store in use goes on in one of its own', () =>
    inFolder(async (folder) => {
      const now = join(folder, 'now');
      const running = await opened(now);
      const copy = join(folder, 'copy');
      await cp(now, copy, { recursive: true });
      await running.store.close();
      const restored = await opened(copy);
      expect(restored.timelines).toHaveLength(1);
      expect(running.timelines).not.toContain(restored.timelines[0]);
      await restored.store.close();
    }));

  test('a copy made after an orderly end does not know what the store went on to', () =>
    inFolder(async (folder) => {
      const [now, copy] = [join(folder, 'now'), join(folder, 'copy')];
      const first = await opened(now);
      await first.store.close();
      await cp(now, copy, { recursive: true });
      const later = await opened(now);
      await later.store.close();
      const restored = await opened(copy);
      expect(restored.timelines).toContain(first.timelines[0]);
      expect(restored.timelines).not.toContain(later.timelines[0]);
      expect((await restored.store.history()).store).toEqual(await idOf(now));
      await restored.store.close();
    }));
});

async function idOf(folder: string): Promise<Uint8Array> {
  const { store } = await opened(folder);
  const { store: id } = await store.history();
  await store.close();
  return id;
}
