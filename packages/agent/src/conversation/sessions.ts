/**
 * The sessions of one pair (protocol.md §2.9): which one sends, what a new one changes, when one is
 * replaced or dropped. Owns the judgement over small readonly entries, and the row of the
 * cryptographic state of each session, whose layout is crypto's.
 */
import { decodeSession, encodeSession, equalBytes, LIMITS } from '@agentmesh/crypto';
import type { CryptoSession, Opened, OpenedInitial } from '@agentmesh/crypto';
import { AGENT_LIMITS } from '../ground/limits.js';
import type { Meta } from '../self/meta.js';
import { DecodedRows } from '../store/row-codec.js';
import type { RowReader, RowWriter } from '../store/row-codec.js';

/** What the choice among sessions needs of each. */
export interface SessionEntry {
  readonly sid: Uint8Array;
  readonly generation: number;
  readonly ours: boolean;
  /** Our store's epoch when it was made: sessions of an earlier epoch only receive (P6). */
  readonly epoch: number;
  readonly createdMs: number;
  /** Last message in either direction. */
  readonly usedMs: number;
  /** Messages sent in it. */
  readonly sent: number;
  /** The peer's instance at its other end; null until a message of its has come. */
  readonly instance: Uint8Array | null;
  /**
   * Highest boot of the peer that was seen in it: only one run seals in a session, contents of
   * earlier ones among its own. 0 while none is known.
   */
  readonly boot: number;
  /**
   * Whether it has seen a message of ours in it: only then its acknowledgements are meant for us.
   */
  readonly heard: boolean;
  /**
   * Begun by us and perhaps never readable to the peer: does not send until the peer's first
   * message in it.
   */
  readonly doubtful: boolean;
  readonly oneTimePrekey: boolean;
  /** Keys of messages that have not come, kept in it. */
  readonly skipped: number;
  /**
   * Our last number before a new run of our store: acknowledgements in this session are of numbers
   * up to it. 0 while there was none.
   */
  readonly lastNumber: number;
}

/** What decides whether a session may send. */
export interface Standing {
  readonly epoch: number;
  /** The peer's current instance; null while none is known. */
  readonly instance: Uint8Array | null;
}

/** A session of ours or of the peer's, at its beginning. */
export function entryOf(session: CryptoSession, nowMs: number, epoch: number): SessionEntry {
  return {
    sid: session.sid,
    generation: session.generation,
    ours: session.role === 'initiator',
    epoch,
    createdMs: nowMs,
    usedMs: nowMs,
    sent: 0,
    instance: null,
    boot: 0,
    heard: false,
    doubtful: false,
    oneTimePrekey: session.usedOneTimePrekey,
    skipped: 0,
    lastNumber: 0,
  };
}

/**
 * Whether a new session was begun with prekeys that an earlier time of our store may have answered
 * it with: there it has gone on with other keys, so here it only receives (P6).
 */
export function isOfLostTime(opened: Opened | OpenedInitial, { prekeysFrom }: Meta): boolean {
  if (!('signedPrekeyId' in opened)) return false;
  const { signedPrekeyId, oneTimePrekeyId } = opened;
  return (oneTimePrekeyId === 0 ? signedPrekeyId : oneTimePrekeyId) < prekeysFrom;
}

function maySend(entry: SessionEntry, standing: Standing): boolean {
  if (entry.epoch !== standing.epoch) return false;
  if (entry.instance === null) return !entry.doubtful;
  return standing.instance !== null && equalBytes(entry.instance, standing.instance);
}

/** Order of §2.9: higher generation, then lower sid. */
function isBetter(a: SessionEntry, b: SessionEntry): boolean {
  if (a.generation !== b.generation) return a.generation > b.generation;
  const at = a.sid.findIndex((byte, index) => byte !== b.sid[index]);
  return (a.sid[at] ?? 0) < (b.sid[at] ?? 0);
}

/** The session used for sending; null if there is none. */
export function activeSession(
  entries: readonly SessionEntry[],
  standing: Standing,
): SessionEntry | null {
  let best: SessionEntry | null = null;
  for (const entry of entries) {
    if (maySend(entry, standing) && (best === null || isBetter(entry, best))) best = entry;
  }
  return best !== null && isOutdone(best, entries, standing) ? null : best;
}

/**
 * Whether the peer goes on in a better session of its own in which we only receive: it would never
 * come over to this one. A new one is better than both.
 */
function isOutdone(
  best: SessionEntry,
  entries: readonly SessionEntry[],
  { epoch, instance }: Standing,
): boolean {
  return entries.some(
    (entry) =>
      entry.epoch < epoch &&
      !entry.ours &&
      isBetter(entry, best) &&
      entry.instance !== null &&
      instance !== null &&
      equalBytes(entry.instance, instance),
  );
}

/**
 * `fresh`: goes on. `old`: goes on only while no new one can be had. `unusable`: never answered
 * within its lifetime, so nobody may be able to read it.
 */
export function conditionOf(entry: SessionEntry, nowMs: number): 'fresh' | 'old' | 'unusable' {
  const aged = nowMs - entry.createdMs >= AGENT_LIMITS.sessionLifetimeMs;
  if (aged && entry.instance === null) return 'unusable';
  return aged || entry.sent >= AGENT_LIMITS.sessionMessages ? 'old' : 'fresh';
}

export function findSession(
  entries: readonly SessionEntry[],
  sid: Uint8Array,
): SessionEntry | undefined {
  return entries.find((entry) => equalBytes(entry.sid, sid));
}

/** The entries with one replaced or added. */
export function withSession(
  entries: readonly SessionEntry[],
  changed: SessionEntry,
): readonly SessionEntry[] {
  return [...entries.filter((entry) => !equalBytes(entry.sid, changed.sid)), changed];
}

/** All sessions of ours that the peer has not answered stop sending until it does. */
export function doubtUnanswered(entries: readonly SessionEntry[]): readonly SessionEntry[] {
  return entries.map((entry) => (entry.instance === null ? { ...entry, doubtful: true } : entry));
}

/**
 * Entries within the cap, drained ones left out; `dropped` are the rows to delete. Kept are those
 * that were used last, by their order: a clock may stand still, or be set back.
 */
export function boundSessions(
  entries: readonly SessionEntry[],
  standing: Standing,
  nowMs: number,
): { readonly kept: readonly SessionEntry[]; readonly dropped: readonly SessionEntry[] } {
  const active = activeSession(entries, standing);
  const oldest = nowMs - AGENT_LIMITS.sessionDrainMs;
  const ranked = entries
    .filter((entry) => entry === active || entry.usedMs > oldest)
    .toSorted((a, b) => Number(a === active) - Number(b === active))
    .slice(-LIMITS.sessionsPerPeer);
  const kept = entries.filter((entry) => ranked.includes(entry));
  return { kept, dropped: entries.filter((entry) => !ranked.includes(entry)) };
}

/** Without its `boot`, which the peer's row has. */
export function writeEntry(row: RowWriter, entry: SessionEntry): void {
  row.fixed(entry.sid).u32(entry.generation).flag(entry.ours).u32(entry.epoch);
  row.u64(entry.createdMs).u64(entry.usedMs).u32(entry.sent).optional(entry.instance);
  row.flag(entry.heard).flag(entry.doubtful).flag(entry.oneTimePrekey).u32(entry.skipped);
  row.u64(entry.lastNumber);
}

/** `version`: of the peer's row; until the fifth one nothing was known of runs. No `boot`. */
export function readEntry(row: RowReader, version: number): SessionEntry {
  return {
    sid: row.fixed(16),
    generation: row.u32(),
    ours: row.flag(),
    epoch: row.u32(),
    createdMs: row.u64(),
    usedMs: row.u64(),
    sent: row.u32(),
    instance: row.optional(16),
    heard: row.flag(),
    doubtful: row.flag(),
    oneTimePrekey: row.flag(),
    skipped: row.u32(),
    lastNumber: version < 5 ? 0 : row.u64(),
    boot: 0,
  };
}

const states = new DecodedRows<CryptoSession>();

/** The row of a session's state. */
export function encodeSessionRow(session: CryptoSession): Uint8Array {
  return states.written(encodeSession(session), session);
}

/** Reads it back; throws MALFORMED. */
export function decodeSessionRow(bytes: Uint8Array): CryptoSession {
  return states.read(bytes, decodeSession);
}
