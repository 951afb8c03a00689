/**
 * Walks all rows under a prefix, a page at a time: memory stays bounded however many there are.
 * Owns the paging; rows that are added behind the current page meanwhile are met too.
 */
import { under } from './row-keys.js';
import type { AgentStore, StoreRow } from './store.js';

const PAGE = 256;

/** The rows whose keys begin with `prefix` and a slash, ascending. */
export async function* rowsUnder(store: AgentStore, prefix: string): AsyncGenerator<StoreRow> {
  const { from, to } = under(prefix);
  let next = from;
  for (;;) {
    const rows = await store.range({ from: next, to, limit: PAGE });
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return;
    // Nothing lies between a key and the same key with a space behind it: no key has one.
    next = `${last.key} `;
  }
}
