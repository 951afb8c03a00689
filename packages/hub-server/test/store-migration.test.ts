/**
 * A database of an older version becomes a current one: whole, with everything that was in it, and
 * at once, also when the process dies before that is committed.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { SqliteHubStore } from '../src/index.js';
import { APPLICATION_ID, MIGRATIONS } from '../src/sqlite/schema.js';
import { aid, commit, envelope, inFolder, register } from './store-samples.js';

const NOW = 1_700_000_000_000;
const CHILD = fileURLToPath(new URL('migrating-store.mjs', import.meta.url));
const REVOCATION = new Uint8Array(110).fill(4);
const record = new Uint8Array(300).fill(1);
const prekey = (id: number) => new Uint8Array(1337).fill(id);

/** Tables as `sqlite_schema` writes them, without spaces that only an editor put in. */
function tablesOf(database: DatabaseSync): unknown[] {
  return database
    .prepare('SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name')
    .all()
    .map((row) => [row['name'], String(row['sql']).replaceAll(/\s+/g, ' ')]);
}

function versionOf(folder: string): unknown {
  const database = new DatabaseSync(join(folder, 'hub.db'));
  try {
    return database.prepare('PRAGMA user_version').get()?.['user_version'];
  } finally {
    database.close();
  }
}

/** Agents, records, prekeys and envelopes, in a file that version 1 could have written. */
async function filledVersion1(folder: string): Promise<void> {
  const store = await SqliteHubStore.open({ folder });
  await store.hubSeed(() => new Uint8Array(32).fill(7));
  await register(store, 3);
  const owner = aid(1);
  const published = { owner, name: 'agent-1', revision: 1, record, nowMs: NOW };
  await store.putIdentity({ ...published, subject: owner });
  await store.putPrekeys({
    aid: owner,
    signed: [{ id: 1, createdMs: NOW, bytes: prekey(1) }],
    oneTime: [{ id: 2, expiresMs: NOW + 1, bytes: prekey(2) }],
    replaceAll: false,
    keepSigned: 2,
    maxOneTime: 9,
  });
  await store.putIdentity({ ...published, owner: aid(3), subject: aid(4), name: 'agent-3' });
  await commit(store, { append: Array.from({ length: 40 }, (_, n) => envelope(n)) });
  await store.close();
  const database = new DatabaseSync(join(folder, 'hub.db'));
  database.exec('DROP INDEX agent_transient; ALTER TABLE agent DROP COLUMN transient;');
  database.exec('ALTER TABLE agent DROP COLUMN left_ms;');
  database.exec('DROP INDEX holder_listed; ALTER TABLE holder DROP COLUMN listed;');
  database.exec('DROP TABLE usage; DROP TABLE contact;');
  database.exec('DROP INDEX one_time_prekey_expires;');
  database.exec('ALTER TABLE agent DROP COLUMN revocation; PRAGMA user_version = 1;');
  const plain = new DatabaseSync(':memory:');
  plain.exec(MIGRATIONS[0] ?? '');
  expect(tablesOf(database)).toEqual(tablesOf(plain));
  plain.close();
  database.close();
}

/** Everything that was put in, and what is new. */
async function expectWhole(folder: string): Promise<void> {
  const store = await SqliteHubStore.open({ folder });
  expect(await store.hubSeed(() => new Uint8Array(32))).toEqual(new Uint8Array(32).fill(7));
  expect(await store.counts()).toMatchObject({ agents: 3, envelopes: 40 });
  const request = { aid: aid(1), oneTime: true, nowMs: NOW };
  expect(await store.takeBundle(request)).toEqual({
    record,
    signed: prekey(1),
    oneTime: prekey(2),
    revocation: null,
    retired: false,
  });
  expect(await store.aidOfName('agent-3')).toEqual(aid(4));
  expect(await store.names({ prefix: '', after: '', max: 9 })).toEqual(['agent-1']);
  expect(await store.putRevocation({ aid: aid(1), revocation: REVOCATION })).toBe('stored');
  await store.close();
  const again = await SqliteHubStore.open({ folder });
  expect(await again.takeBundle(request)).toMatchObject({ signed: null, revocation: REVOCATION });
  await again.close();
  const current = new DatabaseSync(':memory:');
  for (const step of MIGRATIONS) current.exec(step);
  const database = new DatabaseSync(join(folder, 'hub.db'));
  expect(tablesOf(database)).toEqual(tablesOf(current));
  const id = database.prepare('PRAGMA application_id').get()?.['application_id'];
  expect(id).toBe(APPLICATION_ID);
  database.close();
  current.close();
}

describe('a database of version 1', () => {
  test('becomes a current one with everything that was in it', () =>
    inFolder(async (folder) => {
      await filledVersion1(folder);
      expect(versionOf(folder)).toBe(1);
      await expectWhole(folder);
      expect(versionOf(folder)).toBe(MIGRATIONS.length);
    }));

  test('stays one of version 1 when the hub is killed half way, and becomes whole later', () =>
    inFolder(async (folder) => {
      await filledVersion1(folder);
      for (let kills = 0; kills < 3; kills++) {
        const child = spawnSync(process.execPath, [CHILD, folder], { encoding: 'utf8' });
        expect([child.signal, child.stderr]).toEqual(['SIGKILL', '']);
        expect(versionOf(folder)).toBe(1);
      }
      await expectWhole(folder);
      expect(versionOf(folder)).toBe(MIGRATIONS.length);
    }));
});
