/**
 * Envelopes waiting for their recipients: the queue half of the SQLite store.
 * Owns the table `envelope`, quotas and the verdict on each append; every method but `read` runs
 * inside a transaction of `group-commit`. What each promises is in hub-local's `HubQueueStore`.
 */
import { hash } from 'node:crypto';
import type {
  AppendOutcome,
  CommitResult,
  ExpireRequest,
  ExpireResult,
  FetchQuery,
  NewEnvelope,
  OutlineQuery,
  QueueAcknowledgement,
  QueueChanges,
  QueueEntry,
  QueueOutline,
  QueuePage,
  QueueQuery,
  QueueQuota,
  StoredNotice,
} from '@agentmesh/hub-local';
import { hasQueueRoom, RefusedBefore } from '@agentmesh/hub-local';
import { equalBytes } from '@agentmesh/protocol';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Failpoint } from './failpoint.js';
import type { Notices } from './notices.js';
import type { Parties, Party } from './parties.js';
import type { RememberedEntry } from './remembered-entry.js';
import type { DueChunk, RememberedIds } from './remembered-ids.js';
import { MAX_SEQ, SEQ_BITS } from './schema.js';
import type { Usage } from './usage.js';

const DIGEST_BYTES = 16;
const DEAD_LETTERED = 'dead_lettered';

/** What the queues are made of. */
export interface QueuesOptions {
  readonly database: DatabaseSync;
  readonly parties: Parties;
  readonly remembered: RememberedIds;
  readonly notices: Notices;
  readonly usage: Usage;
  /** Whether so many more bytes may be written; else appends are answered `storage`. */
  readonly hasRoom: (bytes: number) => boolean;
  readonly failpoint: Failpoint;
}

interface EnvelopeRow {
  readonly seq: number;
  readonly sender: number;
  readonly id: Uint8Array;
  readonly bytes: number;
}

/** What an acknowledgement changes: read for each message, so no more than that. */
type LeavingRow = Pick<EnvelopeRow, 'sender' | 'bytes'>;

interface EntryRow extends Omit<EnvelopeRow, 'bytes'> {
  readonly attempt: number;
  readonly ts_ms: number;
  readonly expires_ms: number;
  readonly not_before_ms: number;
  readonly blob: Uint8Array | null;
}

type OutlineRow = Pick<EnvelopeRow, 'seq' | 'sender' | 'bytes'>;

/** One run of `expire`, or the dead letters of one commit. */
interface Sweep {
  readonly nowMs: number;
  /** Envelopes that may still be removed. */
  left: number;
  /** Senders to be told, each once. */
  readonly notified: Map<number, Uint8Array>;
}

/** See `HubQueueStore`. */
export class Queues {
  readonly #options: QueuesOptions;
  readonly #statements: ReturnType<typeof prepare>;

  constructor(options: QueuesOptions) {
    this.#options = options;
    this.#statements = prepare(options.database);
  }

  get deadLettered(): number {
    return Number(this.#statements.deadLettered.get()?.['value'] ?? 0);
  }

  commit(changes: QueueChanges): CommitResult {
    for (const acknowledgement of changes.acknowledge) this.#acknowledge(acknowledgement);
    for (const { recipient, seq, attempt, notBeforeMs } of changes.reschedule) {
      const party = this.#options.parties.find(recipient);
      if (party !== null) this.#statements.reschedule.run(party.no, seq, attempt, notBeforeMs);
    }
    const { nowMs } = changes;
    const sweep: Sweep = { nowMs, left: changes.deadLetter.length, notified: new Map() };
    for (const { recipient, seq } of changes.deadLetter) {
      const party = this.#options.parties.find(recipient);
      const row = party === null ? null : this.#remove(party, seq);
      if (row === null) continue;
      this.#statements.countDeadLetter.run();
      this.#notify(row, 'dead_lettered', sweep);
    }
    const refused = new RefusedBefore();
    const appended = changes.append.map((envelope) =>
      refused.note(envelope, refused.outcomeOf(envelope) ?? this.#append(envelope, changes)),
    );
    return { appended, notified: [...sweep.notified.values()] };
  }

  read({ recipient, after, messages, bytes, nowMs }: QueueQuery): QueuePage {
    const party = this.#options.parties.find(recipient);
    if (party === null) return { entries: [], end: true };
    const entries: QueueEntry[] = [];
    let size = 0;
    const { no } = party;
    for (const found of this.#statements.read.iterate(no, after, nowMs, messages + 1)) {
      const row = found as unknown as EntryRow;
      size += row.blob?.length ?? 0;
      if (entries.length > 0 && (entries.length >= messages || size > bytes)) {
        return { entries, end: false };
      }
      entries.push(this.#entryOf(row));
    }
    return { entries, end: true };
  }

  outline({ recipient, after, messages, nowMs }: OutlineQuery): QueueOutline {
    const party = this.#options.parties.find(recipient);
    if (party === null) return { entries: [], end: true };
    const rows = this.#statements.outline.all(party.no, after, nowMs, messages + 1);
    const entries = (rows as unknown as OutlineRow[]).map(({ seq, sender, bytes }) => ({
      seq,
      from: this.#aidOf(sender),
      bytes,
    }));
    return { entries: entries.slice(0, messages), end: entries.length <= messages };
  }

  fetch({ recipient, seqs, nowMs }: FetchQuery): readonly QueueEntry[] {
    const party = this.#options.parties.find(recipient);
    if (party === null) return [];
    return seqs
      .toSorted((a, b) => a - b)
      .flatMap((seq) => this.#statements.entry.all(party.no, seq, nowMs) as unknown as EntryRow[])
      .map((row) => this.#entryOf(row));
  }

  queued(recipient: Uint8Array): number {
    return this.#options.parties.find(recipient)?.total.messages ?? 0;
  }

  expire({ nowMs, max, keepNoticesMs }: ExpireRequest): Omit<ExpireResult, 'forgotten'> {
    const { remembered, notices, failpoint } = this.#options;
    const sweep: Sweep = { nowMs, left: max, notified: new Map() };
    for (let chunks = 0; chunks < max; chunks++) {
      const chunk = remembered.due(nowMs);
      if (chunk === null || !this.#expireChunk(chunk, sweep)) break;
      failpoint('sweeping');
      remembered.settle(chunk, nowMs);
    }
    const moreNotices = notices.expire(nowMs - keepNoticesMs, max);
    const more = moreNotices || remembered.isDue(nowMs);
    return { notified: [...sweep.notified.values()], more };
  }

  /** Whether all that is due in the chunk was done. */
  #expireChunk({ entries }: DueChunk, sweep: Sweep): boolean {
    for (const { recipient: no, seq, expiresMs } of entries) {
      if (expiresMs > sweep.nowMs) continue;
      if (sweep.left === 0) return false;
      const recipient = this.#options.parties.byNo(no);
      const row = recipient === null ? null : this.#remove(recipient, seq);
      if (row === null) continue;
      sweep.left -= 1;
      this.#notify(row, 'expired', sweep);
    }
    return true;
  }

  /** Runs of neighbouring numbers are read and deleted at once: the usual case is one run. */
  #acknowledge({ recipient, seqs }: QueueAcknowledgement): void {
    const party = this.#options.parties.find(recipient);
    if (party === null) return;
    this.#options.usage.received(party);
    for (const [first, last] of runsOf(seqs)) {
      const rows = this.#statements.leaving.all(party.no, first, last) as unknown as LeavingRow[];
      if (rows.length === 0) continue;
      for (const { sender, bytes } of rows) {
        this.#options.parties.account(party, sender, { messages: -1, bytes: -bytes });
      }
      this.#statements.deleteRange.run(party.no, first, last);
    }
  }

  #append(envelope: NewEnvelope, { nowMs, quota }: QueueChanges): AppendOutcome {
    const { parties, remembered, hasRoom, usage } = this.#options;
    const sender = parties.intern(envelope.from);
    const key = remembered.hash(sender.no, envelope.id);
    const digest = digestOf(envelope);
    const known = remembered.find(key, { sender: sender.no, id: envelope.id, nowMs });
    if (known !== null) return repeated(known, digest);
    const recipient = parties.find(envelope.to);
    if (recipient?.revoked === true) return { status: 'revoked' };
    if (recipient === null || !receives(recipient, nowMs, quota)) {
      return { status: 'unknown_recipient' };
    }
    const bytes = envelope.blob.length;
    const share = parties.share(recipient, sender.no);
    const isStranger = (): boolean => !usage.hasWritten(recipient, sender);
    if (!hasQueueRoom({ total: recipient.total, share, quota, bytes, isStranger })) {
      return { status: 'queue_full' };
    }
    if (!hasRoom(bytes)) return { status: 'storage' };
    const follows = recipient.lastSeq;
    const seq = follows + 1;
    const { id, tsMs, expiresMs, rememberUntilMs: untilMs, blob } = envelope;
    this.#statements.insert.run(recipient.no, seq, sender.no, id, tsMs, expiresMs, blob);
    recipient.lastSeq = seq;
    parties.account(recipient, sender.no, { messages: 1, bytes });
    usage.wrote(sender, recipient);
    const times = { expiresMs, untilMs };
    remembered.add(key, { sender: sender.no, id, digest, recipient: recipient.no, seq, ...times });
    return { status: 'stored', seq, follows };
  }

  /** Null if the envelope is gone. */
  #remove(recipient: Party, seq: number): EnvelopeRow | null {
    const found = this.#statements.one.get(recipient.no, seq);
    if (found === undefined) return null;
    const row = found as unknown as EnvelopeRow;
    this.#statements.deleteRange.run(recipient.no, seq, seq);
    this.#options.parties.account(recipient, row.sender, { messages: -1, bytes: -row.bytes });
    return row;
  }

  #notify(row: EnvelopeRow, what: StoredNotice['what'], { nowMs, notified }: Sweep): void {
    const sender = this.#options.parties.byNo(row.sender);
    if (sender === null) return;
    this.#options.notices.write(sender, { id: row.id, what, nowMs });
    notified.set(sender.no, sender.aid);
  }

  #entryOf(row: EntryRow): QueueEntry {
    const { seq, attempt, id, blob, ts_ms: tsMs, expires_ms: expiresMs } = row;
    if (blob === null) return { due: false, seq, notBeforeMs: row.not_before_ms };
    const from = this.#aidOf(row.sender);
    return { due: true, seq, attempt, id, from, tsMs, expiresMs, blob };
  }

  #aidOf(sender: number): Uint8Array {
    return this.#options.parties.byNo(sender)?.aid ?? new Uint8Array(32);
  }
}

function prepare(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  const key = `((?1 << ${SEQ_BITS}) | ?2)`;
  const range = `key BETWEEN ${key} AND ((?1 << ${SEQ_BITS}) | ?3)`;
  const beyond = `key > ${key} AND key <= ((?1 << ${SEQ_BITS}) | ${MAX_SEQ}) AND expires_ms > ?3`;
  const entry = `key & ${MAX_SEQ} AS seq, sender, id, ts_ms, expires_ms, attempt, not_before_ms,
    CASE WHEN not_before_ms > ?3 THEN NULL ELSE blob END AS blob`;
  return {
    insert: sql(`INSERT INTO envelope VALUES (${key}, ?3, ?4, ?5, ?6, 1, 0, ?7)`),
    one: sql(`SELECT key & ${MAX_SEQ} AS seq, sender, id, length(blob) AS bytes
      FROM envelope WHERE key = ${key}`),
    leaving: sql(`SELECT sender, length(blob) AS bytes FROM envelope WHERE ${range}`),
    deleteRange: sql(`DELETE FROM envelope WHERE ${range}`),
    reschedule: sql(`UPDATE envelope SET attempt = ?3, not_before_ms = ?4 WHERE key = ${key}`),
    read: sql(`SELECT ${entry} FROM envelope WHERE ${beyond} ORDER BY key LIMIT ?4`),
    outline: sql(`SELECT key & ${MAX_SEQ} AS seq, sender, length(blob) AS bytes
      FROM envelope WHERE ${beyond} ORDER BY key LIMIT ?4`),
    entry: sql(`SELECT ${entry} FROM envelope WHERE key = ${key} AND expires_ms > ?3`),
    deadLettered: sql(`SELECT value FROM meta WHERE key = '${DEAD_LETTERED}'`),
    countDeadLetter: sql(`INSERT INTO meta VALUES ('${DEAD_LETTERED}', 1)
      ON CONFLICT (key) DO UPDATE SET value = value + 1`),
  };
}

/** As text first: a buffer of its own for each hash costs more than the hashing. */
function digestOf({ to, blob }: NewEnvelope): Uint8Array {
  const digest = hash('sha256', joined(to, blob), 'hex');
  return Buffer.from(digest.slice(0, 2 * DIGEST_BYTES), 'hex');
}

/** Both in one piece; without copying if they lie side by side, as in frames from a socket. */
function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const isOne =
    first.buffer === second.buffer && first.byteOffset + first.length === second.byteOffset;
  if (!isOne) return Buffer.concat([first, second]);
  return new Uint8Array(first.buffer, first.byteOffset, first.length + second.length);
}

function repeated({ digest, seq }: RememberedEntry, shown: Uint8Array): AppendOutcome {
  return equalBytes(digest, shown) ? { status: 'duplicate', seq } : { status: 'conflict' };
}

function receives({ member, retiredMs }: Party, nowMs: number, quota: QueueQuota): boolean {
  return member && (retiredMs === null || nowMs - retiredMs < quota.retiredMs);
}

/** Ascending, each number once. */
function runsOf(seqs: readonly number[]): [number, number][] {
  const runs: [number, number][] = [];
  for (const seq of seqs.toSorted((a, b) => a - b)) {
    const run = runs.at(-1);
    if (run !== undefined && seq <= run[1] + 1) run[1] = Math.max(run[1], seq);
    else if (seq <= MAX_SEQ) runs.push([seq, seq]);
  }
  return runs;
}
