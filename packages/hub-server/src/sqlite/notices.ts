/**
 * Notices waiting for senders: what became of envelopes that were not delivered.
 * Owns the table `notice`; when one is written is decided in `queues`.
 */
import type { NoticeQuery, StoredNotice } from '@agentmesh/hub-local';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Parties, Party } from './parties.js';
import { MAX_SEQ, SEQ_BITS } from './schema.js';

interface NoticeRow {
  readonly seq: number;
  readonly id: Uint8Array;
  readonly what: StoredNotice['what'];
}

/** Used inside transactions, except for {@link Notices.read}. */
export class Notices {
  readonly #parties: Parties;
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: DatabaseSync, parties: Parties) {
    this.#parties = parties;
    this.#statements = prepare(database);
  }

  write(
    sender: Party,
    notice: { id: Uint8Array; what: StoredNotice['what']; nowMs: number },
  ): void {
    sender.lastNotice += 1;
    this.#parties.touch(sender);
    const { id, what, nowMs } = notice;
    this.#statements.insert.run(sender.no, sender.lastNotice, id, what, nowMs);
  }

  read({ sender, after, max }: NoticeQuery): readonly StoredNotice[] {
    const party = this.#parties.find(sender);
    if (party === null) return [];
    const rows = this.#statements.read.all(party.no, after, max) as unknown as NoticeRow[];
    return rows.map(({ seq, id, what }) => ({ seq, id, what }));
  }

  drop(sender: Uint8Array, upTo: number): void {
    const party = this.#parties.find(sender);
    if (party !== null) this.#statements.drop.run(party.no, Math.min(upTo, MAX_SEQ));
  }

  /** Forgets up to `max` notices written at or before a time; whether there may be more. */
  expire(writtenMs: number, max: number): boolean {
    return Number(this.#statements.expire.run(writtenMs, max).changes) === max;
  }
}

function prepare(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  return {
    insert: sql(`INSERT INTO notice VALUES ((?1 << ${SEQ_BITS}) | ?2, ?3, ?4, ?5)`),
    read: sql(`SELECT key & ${MAX_SEQ} AS seq, id, what FROM notice
      WHERE key > ((?1 << ${SEQ_BITS}) | ?2) AND key <= ((?1 << ${SEQ_BITS}) | ${MAX_SEQ})
      ORDER BY key LIMIT ?3`),
    drop: sql(`DELETE FROM notice
      WHERE key BETWEEN (?1 << ${SEQ_BITS}) AND ((?1 << ${SEQ_BITS}) | ?2)`),
    expire: sql(`DELETE FROM notice WHERE key IN
      (SELECT key FROM notice WHERE written_ms <= ?1 LIMIT ?2)`),
  };
}
