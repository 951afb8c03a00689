/**
 * Identities that take room from others: strangers in the queue of an agent that is away, and names
 * that nobody uses, whose keys fill the disk.
 */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, jest, test } from '@jest/globals';
import type { HubStore } from '@agentmesh/hub-local';
import { SqliteHubStore } from '../src/index.js';
import { aid, commit, envelope, envelopeId, inFolder, NOW, register } from './store-samples.js';

jest.setTimeout(60_000);

const DAY = 86_400_000;
const quota = {
  messages: 1_000,
  bytes: 64 * 1024 * 1024,
  senderMessages: 250,
  senderBytes: 16 * 1024 * 1024,
  isShared: true,
  retiredMs: DAY,
};
let ids = 1_000_000;

/** How many of many envelopes one agent gets into the queue of another. */
async function fill(store: HubStore, from: number, to: number, bytes = 256): Promise<number> {
  const append = Array.from({ length: 300 }, () => {
    ids += 1;
    const blob = new Uint8Array(bytes).fill(ids);
    return envelope(ids, { id: envelopeId(ids), from: aid(from), to: aid(to), blob });
  });
  const { appended } = await commit(store, { append, quota });
  return appended.filter(({ status }) => status === 'stored').length;
}

const claim = (n: number, nowMs = NOW) => ({
  name: `agent-${n}`,
  aid: aid(n),
  opening: { instance: new Uint8Array(16).fill(n), boot: 1 },
  mayRegister: true,
  nowMs,
  retiredMs: DAY,
});

const prekeys = (n: number, count = 100) => ({
  aid: aid(n),
  signed: [{ id: 1, createdMs: NOW, bytes: new Uint8Array(1_337).fill(n) }],
  oneTime: Array.from({ length: count }, (_, id) => ({
    id: id + 10,
    expiresMs: NOW + 30 * DAY,
    bytes: new Uint8Array(1_337).fill(id),
  })),
  replaceAll: false,
  keepSigned: 2,
  maxOneTime: 100,
});

const sweep = (nowMs: number, isConnected: (who: Uint8Array) => boolean = () => false) => ({
  nowMs,
  max: 1_000,
  keepNoticesMs: DAY,
  isConnected,
});

/** What the database holds: pages that are free again are not counted. */
function bytesIn(folder: string): number {
  const database = new DatabaseSync(join(folder, 'hub.db'), { readOnly: true });
  const [pages, free, size] = ['page_count', 'freelist_count', 'page_size'].map((name) =>
    Number(database.prepare(`PRAGMA ${name}`).get()?.[name]),
  );
  database.close();
  return ((pages ?? 0) - (free ?? 0)) * (size ?? 0);
}

describe('T-A24 queue-closed-by-strangers', () => {
  test('four strangers leave the queue of an agent that is away open to its peers', () =>
    inFolder(async (folder) => {
      const store = await SqliteHubStore.open({ folder });
      await register(store, 9);
      // Agent 1 has written to 8: that one is no stranger to it.
      expect(await fill(store, 1, 8)).toBeGreaterThan(0);
      const strangers: number[] = [];
      for (const n of [2, 3, 4, 5]) strangers.push(await fill(store, n, 1, 10_000));
      // A sixteenth each instead of a quarter.
      expect(strangers[0]).toBe(62);
      expect(strangers.reduce((sum, one) => sum + one, 0)).toBeLessThan(250);
      expect(await fill(store, 6, 1)).toBeGreaterThan(40);
      expect(await fill(store, 8, 1)).toBeGreaterThan(150);
      await store.close();
    }));

  test('who is known stays known after a restart', () =>
    inFolder(async (folder) => {
      const store = await SqliteHubStore.open({ folder });
      await register(store, 3);
      await fill(store, 1, 2);
      await store.close();
      const again = await SqliteHubStore.open({ folder });
      expect([await fill(again, 3, 1), await fill(again, 2, 1)]).toEqual([62, 234]);
      await again.close();
    }));
});

describe('T-A25 disk-filled-by-names', () => {
  test('identities that were never used are forgotten, with their names and keys', () =>
    inFolder(async (folder) => {
      const store = await SqliteHubStore.open({ folder });
      for (const n of [1, 2, 3, 4]) {
        await store.claim(claim(n));
        await store.putPrekeys(prekeys(n));
      }
      // 1 has written to 2, which has acknowledged that; 3 is connected; 4 has done nothing.
      await commit(store, { append: [envelope(1)] });
      await commit(store, { acknowledge: [{ recipient: aid(2), seqs: [1] }] });
      const isConnected = (who: Uint8Array) => Buffer.compare(who, aid(3)) === 0;
      await store.expire(sweep(NOW + 6 * DAY, isConnected));
      expect((await store.counts()).agents).toBe(4);
      await store.expire(sweep(NOW + 8 * DAY, isConnected));
      expect((await store.counts()).agents).toBe(3);
      expect(await store.aidOfName('agent-4')).toBeNull();
      expect((await store.keys(aid(4))).oneTimeIds).toEqual([]);
      // The name is free, and the same identity may come back as if it were new.
      const back = await store.claim({ ...claim(5, NOW + 9 * DAY), name: 'agent-4' });
      expect(back).toMatchObject({ status: 'ok', registered: true });
      expect(await store.claim(claim(4, NOW + 9 * DAY))).toMatchObject({ status: 'name_taken' });
      await store.close();
    }));

  test('prekeys that have run out leave the disk, also those of who never comes back', () =>
    inFolder(async (folder) => {
      const store = await SqliteHubStore.open({ folder });
      await register(store, 2);
      await store.putPrekeys(prekeys(1));
      await commit(store, { append: [envelope(1)] });
      await store.expire(sweep(NOW + 29 * DAY));
      expect((await store.keys(aid(1))).oneTimeIds).toHaveLength(100);
      await store.expire(sweep(NOW + 31 * DAY));
      expect((await store.keys(aid(1))).oneTimeIds).toEqual([]);
      // Its name stays its own.
      expect(await store.aidOfName('agent-1')).toEqual(aid(1));
      await store.close();
    }));

  test('an identity that was used and never comes back costs 4 KiB at the end, and a page for each prekey before', () =>
    inFolder(async (folder) => {
      const many = Array.from({ length: 64 }, (_, n) => n + 2);
      const store = await SqliteHubStore.open({ folder });
      await register(store, 1);
      for (const n of many) {
        await store.claim(claim(n));
        const record = new Uint8Array(400).fill(n);
        const whose = { owner: aid(n), subject: aid(n), name: `agent-${n}`, revision: 1 };
        await store.putIdentity({ ...whose, record, nowMs: NOW });
        await store.putPrekeys(prekeys(n, 50));
        await commit(store, { append: [envelope(n, { from: aid(n), to: aid(1) })] });
      }
      await commit(store, { acknowledge: [{ recipient: aid(1), seqs: many.map((n) => n - 1) }] });
      await store.close();
      const before = bytesIn(folder);
      const again = await SqliteHubStore.open({ folder });
      for (let n = 0; n < 10; n++) await again.expire(sweep(NOW + 31 * DAY));
      for (const n of many) expect(await again.aidOfName(`agent-${n}`)).toEqual(aid(n));
      await again.close();
      expect(before / many.length).toBeGreaterThan(50 * 2_048);
      expect(bytesIn(folder) / many.length).toBeLessThan(4 * 1_024);
    }));

  test('however many register, half of the disk stays for envelopes', () =>
    inFolder(async (folder) => {
      let passedMs = 0;
      const monotonic = () => (passedMs += 300);
      const quotaBytes = 12 * 1024 * 1024;
      const store = await SqliteHubStore.open({ folder, quotaBytes, monotonic });
      const used = [1, 2];
      await register(store, 2);
      await commit(store, { append: [envelope(1)] });
      await commit(store, { acknowledge: [{ recipient: aid(2), seqs: [1] }] });
      const codes = new Map<string, number>();
      for (let n = 3; n < 103; n++) {
        const code = await Promise.resolve(store.claim(claim(n)))
          .then(() => store.putPrekeys(prekeys(n)))
          .then(
            () => 'ok',
            (error: unknown) => (error as { code: string }).code,
          );
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
      expect([...codes.keys()]).toEqual(['ok', 'STORE_FULL']);
      expect(codes.get('ok')).toBeLessThan(40);
      // Sending goes on, for as many bytes as before.
      const append = Array.from({ length: 400 }, (_, n) => envelope(n + 10));
      const { appended } = await commit(store, { append });
      expect(appended.every(({ status }) => status === 'stored')).toBe(true);
      expect(store.isFull).toBe(false);
      // An hour later the unused make way, and who is used stays.
      await store.expire(sweep(NOW + 2 * 3_600_000));
      await store.claim(claim(200, NOW + 2 * 3_600_000));
      expect(await store.putPrekeys(prekeys(200))).toMatchObject({ status: 'ok' });
      for (const n of used) expect(await store.aidOfName(`agent-${n}`)).toEqual(aid(n));
      expect(await store.aidOfName('agent-3')).toBeNull();
      await store.close();
    }));
});
