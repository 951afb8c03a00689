/**
 * The tables of a hub's database and how older files become current ones.
 * Owns layout and schema version; each table's rules are in the module that reads and writes it.
 *
 * Parties are numbered: a queue entry's key is `party << 40 | seq` in one 64-bit integer, so that a
 * queue is a contiguous range of one b-tree and appending, reading and acknowledging in order touch
 * neighbouring pages only.
 */

/** `AMHB`, in the header of the file: tells a hub's database from any other. */
export const APPLICATION_ID = 0x414d4842;

/** Bits of `seq` in an envelope's or a notice's key; 2^40 per queue are never used up. */
export const SEQ_BITS = 40;

/** Largest `seq`. */
export const MAX_SEQ = 2 ** SEQ_BITS - 1;

const INITIAL = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE party (
  no INTEGER PRIMARY KEY CHECK (no < 8388608),
  aid BLOB NOT NULL UNIQUE,
  last_seq INTEGER NOT NULL DEFAULT 0,
  messages INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,
  last_notice INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE agent (
  no INTEGER PRIMARY KEY REFERENCES party,
  name TEXT NOT NULL,
  instance BLOB,
  boot INTEGER,
  retired_ms INTEGER,
  revision INTEGER,
  record BLOB
) STRICT;

CREATE TABLE holder (name TEXT PRIMARY KEY, no INTEGER NOT NULL REFERENCES agent)
  STRICT, WITHOUT ROWID;

CREATE TABLE signed_prekey (
  no INTEGER NOT NULL REFERENCES agent,
  id INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  bytes BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX signed_prekey_id ON signed_prekey (no, id);

CREATE TABLE one_time_prekey (
  no INTEGER NOT NULL REFERENCES agent,
  id INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL,
  bytes BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX one_time_prekey_id ON one_time_prekey (no, id);

CREATE TABLE envelope (
  key INTEGER PRIMARY KEY,
  sender INTEGER NOT NULL,
  id BLOB NOT NULL,
  ts_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  not_before_ms INTEGER NOT NULL,
  blob BLOB NOT NULL
) STRICT;

CREATE TABLE share (
  recipient INTEGER NOT NULL,
  sender INTEGER NOT NULL,
  messages INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (recipient, sender)
) STRICT, WITHOUT ROWID;

CREATE TABLE remembered (
  no INTEGER PRIMARY KEY,
  due_ms INTEGER NOT NULL,
  entries BLOB NOT NULL
) STRICT;
CREATE INDEX remembered_due ON remembered (due_ms);

CREATE TABLE remembered_old (hash INTEGER, ref INTEGER, PRIMARY KEY (hash, ref))
  STRICT, WITHOUT ROWID;

CREATE TABLE notice (
  key INTEGER PRIMARY KEY,
  id BLOB NOT NULL,
  what TEXT NOT NULL,
  written_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX notice_written ON notice (written_ms);
`;

/** Since version 2: the revocation of an identity, kept for ever (protocol.md §2.13). */
const REVOCATIONS = 'ALTER TABLE agent ADD COLUMN revocation BLOB;';

/** Since version 3: to whom each agent has written, and which identities were never used. */
const USAGE = `
CREATE TABLE contact (no INTEGER NOT NULL, peer INTEGER NOT NULL, PRIMARY KEY (no, peer))
  STRICT, WITHOUT ROWID;
CREATE TABLE usage (
  no INTEGER PRIMARY KEY REFERENCES agent,
  used INTEGER NOT NULL,
  seen_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX usage_unused ON usage (seen_ms) WHERE used = 0;
CREATE INDEX one_time_prekey_expires ON one_time_prekey (expires_ms);
`;

/** Since version 4: names that are listed, since a session can begin with their holders. */
const LISTING = `
ALTER TABLE holder ADD COLUMN listed INTEGER NOT NULL DEFAULT 0;
UPDATE holder SET listed = 1 WHERE no IN
  (SELECT no FROM agent WHERE record IS NOT NULL AND revocation IS NULL)
  AND no IN (SELECT no FROM signed_prekey);
CREATE INDEX holder_listed ON holder (name) WHERE listed = 1;
`;

/** Since version 5: who holds its name only while it is connected, and since when it is not. */
const TRANSIENT = `
ALTER TABLE agent ADD COLUMN transient INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agent ADD COLUMN left_ms INTEGER;
CREATE INDEX agent_transient ON agent (left_ms) WHERE transient = 1;
`;

/** Step n leads from schema version n to n + 1. Steps are never changed, only added. */
export const MIGRATIONS: readonly string[] = [INITIAL, REVOCATIONS, USAGE, LISTING, TRANSIENT];

/** Tables whose damage would take names or keys: always checked, whatever the size of the file. */
export const DIRECTORY_TABLES = [
  'meta',
  'party',
  'agent',
  'holder',
  'signed_prekey',
  'one_time_prekey',
] as const;
