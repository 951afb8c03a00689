/**
 * What agents have done so far: to whom each has written, whether it was ever used, and when it was
 * last seen. Owns the tables `contact` and `usage`, and the forgetting of identities that were
 * never used; writes run inside transactions of `group-commit`.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Parties, Party } from './parties.js';

/** Identities that sent and received nothing are forgotten this long after they were last seen. */
const UNUSED_MS = 7 * 86_400_000;
/** The same where what identities keep has used up its share of the disk. */
const UNUSED_IN_NEED_MS = 3_600_000;
/** Contacts remembered in memory for each party, so that they are not written again. */
const CACHED_CONTACTS = 1_000;

/** Who is connected is never forgotten. */
export type IsConnected = (aid: Uint8Array) => boolean;

/** One per store. */
export class Usage {
  readonly #parties: Parties;
  readonly #statements: ReturnType<typeof prepare>;
  /** What is known to be in the tables; after a rollback parties are other objects. */
  readonly #written = new WeakMap<Party, Set<number>>();
  readonly #used = new WeakSet<Party>();

  constructor(database: DatabaseSync, parties: Parties) {
    this.#parties = parties;
    this.#statements = prepare(database);
  }

  /** An agent came. One that was there before this was recorded counts as used. */
  seen(no: number, nowMs: number, isNew: boolean): void {
    this.#statements.seen.run(no, isNew ? 0 : 1, nowMs);
  }

  /** Both are in use from now on, and the recipient is no stranger to the sender. */
  wrote(sender: Party, recipient: Party): void {
    this.received(sender);
    const written = this.#written.get(sender) ?? new Set();
    this.#written.set(sender, written);
    if (written.has(recipient.no)) return;
    if (written.size >= CACHED_CONTACTS) written.clear();
    this.#statements.contact.run(sender.no, recipient.no);
    written.add(recipient.no);
  }

  /** An agent has done something, and is kept from now on. */
  received(party: Party): void {
    if (this.#used.has(party)) return;
    this.#statements.used.run(party.no);
    this.#used.add(party);
  }

  /** Whether one agent has ever written to another. */
  hasWritten(from: Party, to: Party): boolean {
    if (this.#written.get(from)?.has(to.no) === true) return true;
    return this.#statements.hasContact.get(from.no, to.no) !== undefined;
  }

  /** Forgets up to `max` identities that were never used, and their names; whether it did any. */
  forgetUnused(request: {
    readonly nowMs: number;
    readonly max: number;
    readonly isConnected: IsConnected;
    readonly inNeed?: boolean;
  }): number {
    const { nowMs, max, isConnected, inNeed = false } = request;
    const before = nowMs - (inNeed ? UNUSED_IN_NEED_MS : UNUSED_MS);
    let forgotten = 0;
    for (const row of this.#statements.unused.all(before, max)) {
      const party = this.#parties.byNo(Number(row['no']));
      if (party === null) continue;
      // What waits for it shows that somebody knows it.
      if (party.total.messages > 0) this.received(party);
      else if (isConnected(party.aid)) this.#statements.seen.run(party.no, 0, nowMs);
      else {
        this.forget(party);
        forgotten += 1;
      }
    }
    return forgotten;
  }

  /** Forgets an identity and its name; what waits for it stays until its time is over. */
  forget(party: Party): void {
    for (const statement of this.#statements.forget) statement.run(party.no);
    this.#parties.reread(party.no);
    this.#used.delete(party);
  }
}

function prepare(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  return {
    seen: sql(`INSERT INTO usage VALUES (?1, ?2, ?3)
      ON CONFLICT (no) DO UPDATE SET seen_ms = ?3`),
    used: sql('UPDATE usage SET used = 1 WHERE no = ? AND used = 0'),
    contact: sql('INSERT OR IGNORE INTO contact VALUES (?, ?)'),
    hasContact: sql('SELECT 1 FROM contact WHERE no = ? AND peer = ?'),
    // A successor holds the name of a retired one, and a revocation is kept for ever.
    unused: sql(`SELECT usage.no FROM usage JOIN agent ON agent.no = usage.no
      WHERE used = 0 AND seen_ms < ? AND retired_ms IS NULL AND revocation IS NULL
      ORDER BY seen_ms LIMIT ?`),
    forget: [
      'DELETE FROM one_time_prekey WHERE no = ?',
      'DELETE FROM signed_prekey WHERE no = ?',
      'DELETE FROM holder WHERE no = ?',
      'DELETE FROM agent WHERE no = ?',
      'DELETE FROM usage WHERE no = ?',
    ].map(sql),
  };
}
