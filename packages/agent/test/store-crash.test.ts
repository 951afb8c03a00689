/**
 * Processes that are killed at any moment, and disks that lose what was not synced: what a commit
 * promised is there, and nothing is torn (tests of protocol.md §2.11 on real files).
 */
import { copyFileSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { asMounter, onSmallDisk } from './small-disk.js';
import { inFolder, storeAt } from './store-folder.js';
import { isBeingMoved } from './store-log.js';
import { lastCommit, StoreWriter } from './store-process.js';
import type { Report } from './store-process.js';
import { chance } from './store-seed.js';
import type { Chance } from './store-seed.js';

const MINUTES = 60_000;
/** What one more round may take on a busy machine. */
const ROUND_MS = 10_000;

describe('kill -9', () => {
  const many = chance(20, 'AGENTMESH_KILLS');
  const fewer = chance(6, 'AGENTMESH_KILLS');
  const limitMs = 10 * MINUTES + many.times * ROUND_MS;

  /** Kills a writer of rows up to `largest` bytes, and looks at what the next process finds. */
  async function expectNothingLost(
    path: string,
    { kills, largest }: { readonly kills: Chance; readonly largest: number },
  ): Promise<void> {
    let before = 0;
    for (let i = 0; i < kills.times; i++) {
      const writer = new StoreWriter(path, { largest });
      expect(await writer.first()).toBe(`open ${before + 1}`);
      await setTimeout(kills.below(250));
      await writer.kill();

      const store = storeAt(path);
      await store.open();
      const found = await lastCommit(store, largest);
      expect(found).toBeGreaterThanOrEqual(writer.reports.at(-1)?.n ?? before);
      await store.close();
      before = found;
    }
    expect(before).toBeGreaterThan(kills.times);
  }

  test(
    `at any moment loses nothing that was committed and tears nothing: ${many.title}`,
    // The log reaches the size of a checkpoint several times a second.
    () => inFolder(({ path }) => expectNothingLost(path, { kills: many, largest: 120_000 })),
    limitMs,
  );

  asMounter(
    `the same on a small disk, where a merge goes row by row: ${fewer.title}`,
    () =>
      onSmallDisk((folder) =>
        expectNothingLost(join(folder, 'alice.db'), { kills: fewer, largest: 40_000 }),
      ),
    limitMs,
  );
});

/** What was known of a writer when its files were copied. */
interface Snapshot {
  readonly reports: readonly Report[];
  readonly largest: number;
}

describe('power loss', () => {
  const losses = chance(60, 'AGENTMESH_POWER_LOSSES');
  const PER_PROCESS = 10;
  let cuts = 0;
  let missing = 0;

  test(
    `keeps every commit whose part of the log is left, and tears nothing: ${losses.title}`,
    () =>
      inFolder(async ({ folder }) => {
        for (let i = 0; i < losses.times;) {
          // Every second process moves its log into the database again and again.
          const largest = (i / PER_PROCESS) % 2 === 0 ? 300 : 120_000;
          const path = join(folder, `${i}.db`);
          const writer = new StoreWriter(path, { largest });
          await writer.first();
          try {
            for (let at = 0; at < PER_PROCESS && i < losses.times; at++, i++) {
              await setTimeout(10 + losses.below(60));
              await writer.freeze();
              const copy = join(folder, `copy-${i}.db`);
              copyFileSync(path, copy);
              copyFileSync(`${path}-wal`, `${copy}-wal`);
              writer.thaw();
              await expectPrefix(copy, { reports: writer.reports.slice(), largest });
            }
          } finally {
            await writer.kill();
          }
        }
        // Most logs were cut, and most cuts took something away: the test looked at something.
        expect(cuts).toBeGreaterThan(losses.times / 2);
        expect(missing).toBeGreaterThan(losses.times / 3);
      }),
    20 * MINUTES + losses.times * ROUND_MS,
  );

  /** Spoils the end of a log as a loss of power may, and looks at what the store makes of it. */
  async function expectPrefix(copy: string, { reports, largest }: Snapshot): Promise<void> {
    const log = `${copy}-wal`;
    const size = statSync(log).size;
    const { inDatabase, inLog } = sorted(reports, size);
    // Once its first page is moved, all of it is on the disk; until then any part may be missing.
    const isMoved = isBeingMoved(readFileSync(copy), readFileSync(log));
    const cut = isMoved ? size : losses.below(size + 1);
    spoil(log, cut);
    const kept = inLog.filter(({ logBytes }) => logBytes <= cut);
    const atLeast = kept.at(-1)?.n ?? inDatabase.at(-1)?.n ?? 0;

    const store = storeAt(copy);
    await store.open();
    const found = await lastCommit(store, largest);
    expect(found).toBeGreaterThanOrEqual(atLeast);
    cuts += cut < size ? 1 : 0;
    missing += found < (reports.at(-1)?.n ?? 0) ? 1 : 0;
    await store.close();
  }

  /** A log that grew shorter was emptied: what was in it is in the database. */
  function sorted(
    reports: readonly Report[],
    size: number,
  ): { readonly inDatabase: readonly Report[]; readonly inLog: readonly Report[] } {
    const sizes = [...reports.map(({ logBytes }) => logBytes), size];
    const emptied = sizes.findLastIndex((bytes, at) => bytes < (sizes[at - 1] ?? 0));
    const end = Math.max(emptied, 0);
    return { inDatabase: reports.slice(0, end), inLog: reports.slice(end) };
  }

  /** Everything from `cut` on is missing, zero, or something else. */
  function spoil(log: string, cut: number): void {
    const size = statSync(log).size;
    const how = losses.below(3);
    if (how === 0 || cut === size) {
      truncateSync(log, cut);
      return;
    }
    const bytes = readFileSync(log);
    bytes.fill(how === 1 ? 0 : 0x5a, cut);
    writeFileSync(log, bytes);
  }
});
