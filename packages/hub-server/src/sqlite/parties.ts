/**
 * Everyone who ever sent or registered, by number, with the state of their queue.
 * Owns the rows of `party` and `share` and a cache of them: a transaction changes objects here and
 * writes each touched row once. What may be appended to a queue is judged in `queues`.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { keyOf } from './byte-text.js';

/** Parties kept in memory; more are read again when needed. */
const CACHED_PARTIES = 50_000;

/** What one sender holds of one queue, or a queue of all. */
export interface Share {
  messages: number;
  bytes: number;
}

/** One identity. Fields change inside transactions only; see {@link Parties.touch}. */
export interface Party {
  readonly no: number;
  readonly aid: Uint8Array;
  /** Whether envelopes may be sent to it, since when it is retired, and whether it is void. */
  member: boolean;
  retiredMs: number | null;
  revoked: boolean;
  readonly total: Share;
  /** Shares met so far, by number of the sender. */
  readonly shares: Map<number, Share>;
  lastSeq: number;
  lastNotice: number;
}

/** The cache. After a rollback it is emptied: the rows are the truth. */
export class Parties {
  readonly #statements: ReturnType<typeof prepare>;
  readonly #byAid = new Map<string, Party>();
  readonly #byNo = new Map<number, Party>();
  readonly #touched = new Set<Party>();
  readonly #touchedShares = new Map<Party, Set<number>>();
  #totals: Share;

  constructor(database: DatabaseSync) {
    this.#statements = prepare(database);
    this.#totals = this.#readTotals();
  }

  /** Sums over all queues. */
  get totals(): Readonly<Share> {
    return this.#totals;
  }

  find(aid: Uint8Array): Party | null {
    const key = keyOf(aid);
    const cached = this.#byAid.get(key);
    if (cached !== undefined) return cached;
    return this.#keep(this.#statements.byAid.get(aid), key);
  }

  /** The party of a number that some row refers to. */
  byNo(no: number): Party | null {
    return this.#byNo.get(no) ?? this.#keep(this.#statements.byNo.get(no));
  }

  /** Gives a number to each party that has none yet. */
  intern(aid: Uint8Array): Party {
    const known = this.find(aid);
    if (known !== null) return known;
    const no = Number(this.#statements.insert.run(aid).lastInsertRowid);
    const party: Party = {
      no,
      aid,
      member: false,
      retiredMs: null,
      revoked: false,
      total: { messages: 0, bytes: 0 },
      shares: new Map(),
      lastSeq: 0,
      lastNotice: 0,
    };
    return this.#remember(party, keyOf(aid));
  }

  share(recipient: Party, sender: number): Share {
    const known = recipient.shares.get(sender);
    if (known !== undefined) return known;
    const row = this.#statements.share.get(recipient.no, sender) as Share | undefined;
    const share = { messages: row?.messages ?? 0, bytes: row?.bytes ?? 0 };
    recipient.shares.set(sender, share);
    return share;
  }

  /** Adds to, or takes from, a queue and a sender's share of it. */
  account(recipient: Party, sender: number, change: Share): void {
    for (const sum of [recipient.total, this.share(recipient, sender), this.#totals]) {
      sum.messages += change.messages;
      sum.bytes += change.bytes;
    }
    this.touch(recipient);
    const shares = this.#touchedShares.get(recipient);
    if (shares === undefined) this.#touchedShares.set(recipient, new Set([sender]));
    else shares.add(sender);
  }

  /** The party's row is written with the running transaction. */
  touch(party: Party): void {
    this.#touched.add(party);
  }

  /** The party's `agent` row has changed. */
  reread(no: number): void {
    const party = this.#byNo.get(no);
    const row = this.#statements.byNo.get(no) as PartyRow | undefined;
    if (party === undefined || row === undefined) return;
    party.member = row.member === 1;
    party.retiredMs = row.retired_ms;
    party.revoked = row.revoked === 1;
  }

  /** The last call of a transaction, before its commit. */
  write(): void {
    const { update, putShare, dropShare } = this.#statements;
    for (const { no, lastSeq, total, lastNotice } of this.#touched) {
      update.run(lastSeq, total.messages, total.bytes, lastNotice, no);
    }
    for (const [recipient, senders] of this.#touchedShares) {
      for (const sender of senders) {
        const { messages, bytes } = this.share(recipient, sender);
        if (messages > 0) putShare.run(recipient.no, sender, messages, bytes);
        else {
          dropShare.run(recipient.no, sender);
          recipient.shares.delete(sender);
        }
      }
    }
  }

  committed(): void {
    this.#touched.clear();
    this.#touchedShares.clear();
    if (this.#byNo.size > CACHED_PARTIES) this.#clear();
  }

  rolledBack(): void {
    this.#touched.clear();
    this.#touchedShares.clear();
    this.#clear();
    this.#totals = this.#readTotals();
  }

  #clear(): void {
    this.#byAid.clear();
    this.#byNo.clear();
  }

  #readTotals(): Share {
    const row = this.#statements.totals.get();
    return { messages: Number(row?.['messages']), bytes: Number(row?.['bytes']) };
  }

  #keep(row: unknown, key?: string): Party | null {
    if (row === undefined) return null;
    const { no, aid, last_seq, messages, bytes, last_notice, ...state } = row as PartyRow;
    const party: Party = {
      no,
      aid,
      member: state.member === 1,
      retiredMs: state.retired_ms,
      revoked: state.revoked === 1,
      total: { messages, bytes },
      shares: new Map(),
      lastSeq: last_seq,
      lastNotice: last_notice,
    };
    return this.#remember(party, key ?? keyOf(aid));
  }

  #remember(party: Party, key: string): Party {
    this.#byAid.set(key, party);
    this.#byNo.set(party.no, party);
    return party;
  }
}

interface PartyRow {
  readonly no: number;
  readonly aid: Uint8Array;
  readonly last_seq: number;
  readonly messages: number;
  readonly bytes: number;
  readonly last_notice: number;
  readonly member: 0 | 1;
  readonly retired_ms: number | null;
  readonly revoked: 0 | 1;
}

function prepare(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  const select = `SELECT party.*, agent.no IS NOT NULL AS member, retired_ms,
    revocation IS NOT NULL AS revoked
    FROM party LEFT JOIN agent ON agent.no = party.no`;
  return {
    byAid: sql(`${select} WHERE aid = ?`),
    byNo: sql(`${select} WHERE party.no = ?`),
    insert: sql('INSERT INTO party (aid) VALUES (?)'),
    update: sql(
      'UPDATE party SET last_seq = ?, messages = ?, bytes = ?, last_notice = ? WHERE no = ?',
    ),
    share: sql('SELECT messages, bytes FROM share WHERE recipient = ? AND sender = ?'),
    putShare: sql('INSERT OR REPLACE INTO share VALUES (?, ?, ?, ?)'),
    dropShare: sql('DELETE FROM share WHERE recipient = ? AND sender = ?'),
    totals: sql('SELECT total(messages) AS messages, total(bytes) AS bytes FROM party'),
  };
}
