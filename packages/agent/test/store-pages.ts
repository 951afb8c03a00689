/**
 * The pages of an SQLite file by kind (its file format, sections 1.5 and 1.6), and a store that has
 * all kinds. Owns the reading of page headers, for tests that damage one of each.
 */
import { loadKeyFile } from '@agentmesh/crypto/node';
import { SqliteAgentStore } from '../src/node.js';

/** Types of b-tree pages, by the first byte of their headers. */
const TREE_PAGES: Readonly<Record<number, string>> = {
  2: 'index interior',
  5: 'table interior',
  10: 'index leaf',
  13: 'table leaf',
};
const FIRST_HEADER = 100;

/** Every kind that {@link pagesByKind} tells apart. */
export const PAGE_KINDS = [...Object.values(TREE_PAGES), 'free', 'overflow'].toSorted();

/** Adds rows that no agent reads to the store of a key file, until it has pages of every kind. */
export async function addPages(keypairPath: string): Promise<void> {
  const { storeKey } = await loadKeyFile(keypairPath);
  const store = SqliteAgentStore.beside(keypairPath, { storeKey });
  await store.open();
  const key = (n: number): string => `unread/${String(n).padStart(150, '0')}`;
  const lengths = Array.from({ length: 400 }, (_, n) => (n % 20 === 0 ? 9_000 : 300));
  await store.commit(lengths.map((length, n) => ({ put: key(n), value: new Uint8Array(length) })));
  // Rows that come and go between two merges never reach the table.
  await store.close();
  await store.open();
  await store.commit(lengths.slice(0, 100).map((_, n) => ({ delete: key(n) })));
  await store.close();
}

/** Numbers of the pages of each kind, from 0. */
export function pagesByKind(file: Buffer, pageBytes: number): Map<string, number[]> {
  const free = freePages(file, pageBytes);
  const pages = Array.from({ length: file.length / pageBytes }, (_, page) => page);
  return Map.groupBy(pages, (page) => {
    if (free.has(page)) return 'free';
    const type = file[page * pageBytes + (page === 0 ? FIRST_HEADER : 0)] ?? 0;
    return TREE_PAGES[type] ?? 'overflow';
  });
}

/** The list of free pages: trunks that name each other and their leaves. */
function freePages(file: Buffer, pageBytes: number): Set<number> {
  const free = new Set<number>();
  for (let trunk = file.readUInt32BE(32); trunk !== 0;) {
    const at = (trunk - 1) * pageBytes;
    free.add(trunk - 1);
    for (let n = 0; n < file.readUInt32BE(at + 4); n++) {
      free.add(file.readUInt32BE(at + 8 + 4 * n) - 1);
    }
    trunk = file.readUInt32BE(at);
  }
  return free;
}
