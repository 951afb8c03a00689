/** Stores in folders of their own, for the tests of `SqliteAgentStore`. */
import { hash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Secret } from '@agentmesh/crypto';
import { SqliteAgentStore } from '../src/node.js';
import type { StoreRow } from '../src/store/store.js';

/** A key that differs with `seed`. */
export function storeKey(seed = 7): Secret<'store key'> {
  return new Secret('store key', new Uint8Array(32).fill(seed));
}

/** A store over a file, not open. */
export function storeAt(path: string, seed?: number): SqliteAgentStore {
  return new SqliteAgentStore(path, { storeKey: storeKey(seed) });
}

/** A folder, and where a store may be in it. */
export interface Folder {
  readonly folder: string;
  readonly path: string;
  readonly dispose: () => Promise<void>;
}

export async function newFolder(): Promise<Folder> {
  const folder = await mkdtemp(join(tmpdir(), 'agentmesh-store-'));
  const dispose = (): Promise<void> => rm(folder, { recursive: true, force: true });
  return { folder, path: join(folder, 'alice.db'), dispose };
}

/** Runs with a folder that is gone afterwards. */
export async function inFolder(run: (folder: Folder) => Promise<void>): Promise<void> {
  const folder = await newFolder();
  try {
    await run(folder);
  } finally {
    await folder.dispose();
  }
}

/** Digest of every file that holds something. */
export function snapshot(folder: string): Record<string, string> {
  const paths = readdirSync(folder).map((name) => join(folder, name));
  // Looking at a database leaves an index of its log behind, which holds no data.
  const files = paths.filter((path) => !path.endsWith('-shm') && statSync(path).size > 0);
  return Object.fromEntries(files.map((path) => [path, hash('sha256', readFileSync(path))]));
}

/** Whether two lists hold the same rows; a matcher would take seconds for large values. */
export function isSame(a: readonly StoreRow[], b: readonly StoreRow[]): boolean {
  const isEqual = (row: StoreRow, at: number): boolean =>
    row.key === b[at]?.key && Buffer.compare(row.value, b[at].value) === 0;
  return a.length === b.length && a.every(isEqual);
}
