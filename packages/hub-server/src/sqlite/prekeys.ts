/**
 * Prekeys that agents published: signed ones, the newest of which is served, and one-time ones,
 * each of which is handed out once. Owns their two tables; writes run inside transactions of
 * `group-commit`. Records are bytes here: they were judged before.
 */
import type {
  BundleRequest,
  KeyInventory,
  PrekeyUpdate,
  PutPrekeysResult,
} from '@agentmesh/hub-local';
import { equalBytes } from '@agentmesh/protocol';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Parties } from './parties.js';

interface PrekeyRow {
  readonly id: number;
  readonly bytes: Uint8Array;
}

/** See `HubDirectoryStore`. */
export class Prekeys {
  readonly #parties: Parties;
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: DatabaseSync, parties: Parties) {
    this.#parties = parties;
    this.#statements = prepare(database);
  }

  /** Judges first and writes then: a refusal changes nothing. */
  put(update: PrekeyUpdate): PutPrekeysResult {
    const no = this.#memberNo(update.aid);
    if (no === null) return { status: 'conflict' };
    if (this.#parties.find(update.aid)?.revoked === true) return { status: 'revoked' };
    const { oneTime, signed } = this.#statements;
    const heldOneTime = update.replaceAll ? [] : rowsOf(oneTime.all(no));
    const addedOneTime = additions(heldOneTime, update.oneTime);
    const addedSigned = additions(update.replaceAll ? [] : rowsOf(signed.all(no)), update.signed);
    if (addedOneTime === null || addedSigned === null) return { status: 'conflict' };
    if (heldOneTime.length + addedOneTime.length > update.maxOneTime) return { status: 'limit' };
    if (update.replaceAll) this.#statements.dropAll(no);
    for (const { id, expiresMs, bytes } of addedOneTime) {
      this.#statements.insertOneTime.run(no, id, expiresMs, bytes);
    }
    for (const { id, createdMs, bytes } of addedSigned) {
      this.#statements.insertSigned.run(no, id, createdMs, bytes);
    }
    this.#statements.trimSigned.run(no, update.keepSigned);
    return { status: 'ok', keys: this.#inventory(no) };
  }

  keys(aid: Uint8Array): KeyInventory {
    const no = this.#memberNo(aid);
    return no === null ? { newestSigned: null, oneTimeIds: [] } : this.#inventory(no);
  }

  newestSigned(aid: Uint8Array): Uint8Array | null {
    const no = this.#memberNo(aid);
    const row = no === null ? undefined : this.#statements.newestSigned.get(no);
    return row === undefined ? null : (row['bytes'] as Uint8Array);
  }

  /** Removes and returns the one with the lowest id; expired ones are removed on the way. */
  takeOneTime({ aid, nowMs }: BundleRequest): Uint8Array | null {
    const no = this.#memberNo(aid);
    if (no === null) return null;
    this.#statements.dropExpired.run(no, nowMs);
    const row = this.#statements.lowestOneTime.get(no) as PrekeyRow | undefined;
    if (row === undefined) return null;
    this.#statements.dropOneTime.run(no, row.id);
    return row.bytes;
  }

  /**
   * Removes up to `max` one-time prekeys that have run out, also those of an agent that never comes
   * back, each of which has a page; whether there may be more. Signed ones stay: with them its
   * record is served.
   */
  expire(nowMs: number, max: number): boolean {
    return Number(this.#statements.expireOneTime.run(nowMs, max).changes) === max;
  }

  #memberNo(aid: Uint8Array): number | null {
    const party = this.#parties.find(aid);
    return party?.member === true ? party.no : null;
  }

  #inventory(no: number): KeyInventory {
    const newest = this.#statements.newestSigned.get(no);
    return {
      newestSigned: newest === undefined ? null : (newest['bytes'] as Uint8Array),
      oneTimeIds: this.#statements.oneTimeIds.all(no).map((row) => Number(row['id'])),
    };
  }
}

function prepare(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  const dropOneTimeAll = sql('DELETE FROM one_time_prekey WHERE no = ?');
  const dropSignedAll = sql('DELETE FROM signed_prekey WHERE no = ?');
  return {
    dropAll: (no: number): void => {
      dropOneTimeAll.run(no);
      dropSignedAll.run(no);
    },
    oneTime: sql('SELECT id, bytes FROM one_time_prekey WHERE no = ?'),
    oneTimeIds: sql('SELECT id FROM one_time_prekey WHERE no = ?'),
    insertOneTime: sql('INSERT INTO one_time_prekey VALUES (?, ?, ?, ?)'),
    dropExpired: sql('DELETE FROM one_time_prekey WHERE no = ? AND expires_ms <= ?'),
    expireOneTime: sql(`DELETE FROM one_time_prekey WHERE rowid IN
      (SELECT rowid FROM one_time_prekey WHERE expires_ms <= ? LIMIT ?)`),
    lowestOneTime: sql('SELECT id, bytes FROM one_time_prekey WHERE no = ? ORDER BY id LIMIT 1'),
    dropOneTime: sql('DELETE FROM one_time_prekey WHERE no = ? AND id = ?'),
    signed: sql('SELECT id, bytes FROM signed_prekey WHERE no = ?'),
    insertSigned: sql('INSERT INTO signed_prekey VALUES (?, ?, ?, ?)'),
    newestSigned: sql(`SELECT bytes FROM signed_prekey WHERE no = ?
      ORDER BY created_ms DESC, id DESC LIMIT 1`),
    trimSigned: sql(`DELETE FROM signed_prekey WHERE no = ?1 AND id NOT IN
      (SELECT id FROM signed_prekey WHERE no = ?1 ORDER BY created_ms DESC, id DESC LIMIT ?2)`),
  };
}

function rowsOf(rows: unknown[]): PrekeyRow[] {
  return rows as PrekeyRow[];
}

/** What is new among the offered prekeys; null if an id has other bytes already. */
function additions<T extends PrekeyRow>(
  held: readonly PrekeyRow[],
  offered: readonly T[],
): T[] | null {
  const known = new Map(held.map(({ id, bytes }) => [id, bytes]));
  const added: T[] = [];
  for (const prekey of offered) {
    const bytes = known.get(prekey.id);
    if (bytes !== undefined && !equalBytes(bytes, prekey.bytes)) return null;
    if (bytes === undefined) added.push(prekey);
    known.set(prekey.id, prekey.bytes);
  }
  return added;
}
