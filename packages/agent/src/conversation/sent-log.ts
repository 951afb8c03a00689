/**
 * Contents that a peer has not acknowledged (protocol.md §2.10): kept so that a retry can seal the
 * same bytes again, within bounds of number, size and age. Owns the row and what is dropped when.
 */
import { CONTENT_KIND, decodeContent, encodeContent, toHex } from '@agentmesh/crypto';
import { AGENT_LIMITS } from '../ground/limits.js';
import { decodeSaidBefore } from './former-talk.js';
import type { Outgoing } from './outgoing.js';
import { RowReader, RowWriter } from '../store/row-codec.js';
import { ROW } from '../store/row-keys.js';
import type { StoreTransaction } from '../store/store-transaction.js';

/** One kept content. */
export interface SentRow {
  /** Bytes of all contents before it. */
  readonly before: number;
  /** When it was said, by our clock and by the hub's. */
  readonly sentMs: number;
  readonly sentHubMs: number;
  /** For how long anybody needs it. */
  readonly ttlMs: number;
  readonly content: Uint8Array;
}

/** Now, by our clock and by the hub's as far as it has told it. */
export interface Times {
  readonly ourMs: number;
  readonly hubMs: number;
}

/** Version 1 knew neither the hub's time nor for how long a content is needed. */
const VERSION = 2;
const HOUR_MS = 3_600_000;

export function encodeSentRow({ before, sentMs, sentHubMs, ttlMs, content }: SentRow): Uint8Array {
  const row = new RowWriter().u8(VERSION).u64(before).u64(sentMs).u64(sentHubMs).u64(ttlMs);
  return row.bytes(content).finish();
}

/** Reads a row back; throws STORE_CORRUPT. */
export function decodeSentRow(bytes: Uint8Array): SentRow {
  const row = new RowReader(bytes, 'sent');
  const version = row.u8();
  if (version < 1 || version > VERSION) row.fail();
  const [before, sentMs] = [row.u64(), row.u64()];
  const sentHubMs = version === 1 ? sentMs : row.u64();
  const ttlMs = version === 1 ? AGENT_LIMITS.keptMs : row.u64();
  const sent = { before, sentMs, sentHubMs, ttlMs, content: row.bytes() };
  row.end();
  return sent;
}

/**
 * For how much longer anybody needs a content. A clock that was set, ours or the hub's, ends
 * nothing by itself: both have to say that the time is over.
 */
export function leftMs({ sentMs, sentHubMs, ttlMs }: SentRow, { ourMs, hubMs }: Times): number {
  return ttlMs - Math.min(ourMs - sentMs, hubMs - sentHubMs);
}

/** Whether a content is given up: no envelope that holds it is on its way any more. */
export function isOld(row: SentRow, now: Times): boolean {
  return leftMs({ ...row, ttlMs: Math.max(row.ttlMs, AGENT_LIMITS.keptMs) }, now) < 0;
}

/** A kept content; null when it was acknowledged or dropped. */
export async function loadSent(
  tx: StoreTransaction,
  aid: Uint8Array,
  position: { readonly epoch: number; readonly number: number },
): Promise<SentRow | null> {
  const row = await tx.get(ROW.sent(aid, position.epoch, position.number));
  return row === null ? null : decodeSentRow(row);
}

/** What is kept, and what is no more. */
export interface Trimmed {
  readonly outgoing: Outgoing;
  /** All below this number are given up because of their age; 0 for none. */
  readonly agedBelow: number;
  /** Messages of the application among them that were kept: number, and msgId in hex. */
  readonly dropped: readonly { readonly number: number; readonly id: string }[];
}

/** Drops the oldest contents beyond the bounds; they will not be sent again. */
export async function trimSent(
  tx: StoreTransaction,
  aid: Uint8Array,
  outgoing: Outgoing,
  now: Times,
): Promise<Trimmed> {
  let { keptFrom, before } = outgoing;
  let agedBelow = 0;
  const { epoch, next, total, trimmedMs } = outgoing;
  const isOver = () =>
    next - keptFrom > AGENT_LIMITS.keptMessages || total - before > AGENT_LIMITS.keptBytes;
  const isTime = Math.abs(now.ourMs - trimmedMs) >= HOUR_MS;
  const dropped: Trimmed['dropped'][number][] = [];
  if (!isTime && !isOver()) return { outgoing, dropped, agedBelow };
  while (keptFrom < next) {
    const row = await loadSent(tx, aid, { epoch, number: keptFrom });
    before = row?.before ?? before;
    const isAged = row !== null && isOld(row, now);
    if (row !== null && !isAged && !isOver()) break;
    tx.delete(ROW.sent(aid, epoch, keptFrom));
    const id = row === null ? null : applicationId(row);
    keptFrom += 1;
    if (isAged) agedBelow = keptFrom;
    if (isAged && id !== null) dropped.push({ number: keptFrom - 1, id });
  }
  return { outgoing: { ...outgoing, keptFrom, before, trimmedMs: now.ourMs }, dropped, agedBelow };
}

/** msgId in hex of a message of the application; null for what agents say on their own. */
export function applicationId({ content }: SentRow): string | null {
  const { kind, msgId, body } = decodeContent(content);
  const said = kind === CONTENT_KIND.saidBefore ? decodeSaidBefore(body).said.kind : kind;
  return said === CONTENT_KIND.application ? toHex(msgId) : null;
}

/**
 * What is kept in position of a content that the hub refused for good: a nudge with its number, so
 * that the peer's window has no hole and nothing is delivered that the caller was told is not. The
 * msgId stays: to a peer that has the content nevertheless, it is the same message, not a clone's.
 */
export function fillerFor(content: Uint8Array): Uint8Array {
  return encodeContent({
    ...decodeContent(content),
    kind: CONTENT_KIND.nudge,
    body: new Uint8Array(),
  });
}
