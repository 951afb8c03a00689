/**
 * What a hub keeps about itself in the table `meta`, as bytes under a key: its seed, and the key of
 * its hashes. Owns that the first value stays.
 */
import type { DatabaseSync } from 'node:sqlite';

/** The bytes stored under a key, or what `create` gives, then stored. */
export function storedBytes(
  database: DatabaseSync,
  key: string,
  create: () => Uint8Array,
): Uint8Array {
  const row = database.prepare('SELECT value FROM meta WHERE key = ?').get(key);
  if (row?.['value'] instanceof Uint8Array) return row['value'];
  const bytes = create();
  database.prepare('INSERT INTO meta VALUES (?, ?)').run(key, bytes);
  return bytes;
}
