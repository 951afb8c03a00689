/**
 * The tables of an agent's store and how older files become current ones.
 * Owns layout and schema version; what the rows hold is the agent's matter and sealed here.
 *
 * Keys of `row` are stored twice, in the table and in its index: opening the file compares them, so
 * that a damaged key is found and does not look like a row that never was.
 */

/** `AMAG`, in the header of the file: tells an agent's store from any other database. */
export const APPLICATION_ID = 0x414d4147;

/** `meta` holds one row, `key`: something sealed, to recognise the store key by. */
const INITIAL = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE row (key TEXT NOT NULL UNIQUE, value BLOB NOT NULL) STRICT;
`;

/** Commits that are not merged into `row` yet; `meta` holds the sealed key of their cycle. */
const JOURNAL = `
CREATE TABLE journal (n INTEGER PRIMARY KEY, piece BLOB NOT NULL) STRICT;
`;

/** Step n leads from version n to n + 1. Steps are never changed, only added. */
export const MIGRATIONS: readonly string[] = [INITIAL, JOURNAL];

/** From this version on a store has a journal. */
export const JOURNAL_VERSION = 2;

/**
 * Of a new file. Most commits change a kibibyte or two: larger pages would be mostly repetition.
 */
export const PAGE_BYTES = 1_024;
