/**
 * What a hub that is not busy writes: a commit of a few small messages changes little on each page,
 * so that pages are small.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { SqliteHubStore } from '../src/index.js';
import { aid, commit, envelope, inFolder, register } from './store-samples.js';

const MESSAGES = 8;
const COMMITS = 50;
const blob = new Uint8Array(556).fill(1);

test('eight messages of 256 bytes, and eight that leave, write 24 KiB at most', () =>
  inFolder(async (folder) => {
    const store = await SqliteHubStore.open({ folder });
    await register(store, 2);
    let seqs: number[] = [];
    const step = async (at: number): Promise<void> => {
      const acknowledge = seqs.length === 0 ? [] : [{ recipient: aid(2), seqs }];
      const append = Array.from({ length: MESSAGES }, (_, n) =>
        envelope(at * MESSAGES + n, { blob }),
      );
      const { appended } = await commit(store, { append, acknowledge });
      seqs = appended.flatMap((outcome) => (outcome.status === 'stored' ? [outcome.seq] : []));
      expect(seqs).toHaveLength(MESSAGES);
    };
    const log = (): number => statSync(join(folder, 'hub.db-wal')).size;
    for (let at = 1; at <= 10; at++) await step(at);
    const before = log();
    for (let at = 11; at <= 10 + COMMITS; at++) await step(at);
    const written = (log() - before) / COMMITS;
    expect(written).toBeGreaterThan(MESSAGES * blob.length);
    expect(written).toBeLessThan(24 * 1_024);
    await store.close();
  }));
