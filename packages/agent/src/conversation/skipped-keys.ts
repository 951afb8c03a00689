/**
 * The rows of a session's skipped message keys (protocol.md §2.8 step 6): a list of small parts and
 * a row for each, so that a message writes the few parts that it changes, however many keys there
 * are. Owns these rows; which keys are kept is the ratchet's matter.
 */
import { decodeSkippedKeys, encodeSkippedKeys } from '@agentmesh/crypto';
import type { CryptoSession } from '@agentmesh/crypto';
import { AGENT_LIMITS } from '../ground/limits.js';
import { RowReader, RowWriter } from '../store/row-codec.js';
import { ROW } from '../store/row-keys.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import { encodeSessionRow } from './sessions.js';

type SkippedKeys = CryptoSession['skipped'];

/** Keys of one row, in the order in which they were skipped. */
export interface SkippedPart {
  readonly id: number;
  readonly keys: SkippedKeys;
}

const VERSION = 1;

/** The parts of a session's keys, oldest first. */
export async function loadSkipped(
  tx: Pick<StoreTransaction, 'get'>,
  sid: Uint8Array,
): Promise<readonly SkippedPart[]> {
  const parts: SkippedPart[] = [];
  for (const id of await idsOf(tx, sid)) {
    const row = await tx.get(ROW.skippedPart(sid, id));
    parts.push({ id, keys: row === null ? [] : decodeSkippedKeys(row) });
  }
  return parts;
}

async function idsOf(
  tx: Pick<StoreTransaction, 'get'>,
  sid: Uint8Array,
): Promise<readonly number[]> {
  const bytes = await tx.get(ROW.skipped(sid));
  if (bytes === null) return [];
  const row = new RowReader(bytes, 'skipped');
  if (row.u8() !== VERSION) row.fail();
  const ids = row.list(() => row.u32());
  row.end();
  return ids;
}

/** Writes a session and what has changed of its skipped keys; `before`: its parts when read. */
export function saveReceived(
  tx: StoreTransaction,
  session: CryptoSession,
  before: readonly SkippedPart[],
): void {
  const { sid, skipped } = session;
  tx.putLate(ROW.session(sid), { ...session, skipped: [] }, encodeSessionRow);
  const after = partsAfter(before, skipped);
  const kept = new Map(after.map((part) => [part.id, part]));
  for (const part of before) {
    if (!kept.has(part.id)) tx.delete(ROW.skippedPart(sid, part.id));
  }
  for (const part of after) {
    if (!before.includes(part)) tx.put(ROW.skippedPart(sid, part.id), encodeSkippedKeys(part.keys));
  }
  if (after.length === 0 && before.length > 0) tx.delete(ROW.skipped(sid));
  const isSame = after.length === before.length && before.every(({ id }) => kept.has(id));
  if (!isSame && after.length > 0) tx.put(ROW.skipped(sid), encodeIds(after));
}

function encodeIds(parts: readonly SkippedPart[]): Uint8Array {
  const row = new RowWriter().u8(VERSION);
  return row.list(parts, ({ id }) => row.u32(id)).finish();
}

/**
 * The parts as they are now: those that have not changed are the same values. Neighbours that have
 * room for each other become one, so that there are never many nearly empty ones.
 */
function partsAfter(before: readonly SkippedPart[], skipped: SkippedKeys): readonly SkippedPart[] {
  const kept = new Set(skipped);
  const parts: SkippedPart[] = [];
  const add = (part: SkippedPart): void => {
    const last = parts.at(-1);
    const isJoined =
      last !== undefined && last.keys.length + part.keys.length <= AGENT_LIMITS.skippedPartKeys;
    if (isJoined) parts[parts.length - 1] = { id: last.id, keys: [...last.keys, ...part.keys] };
    else parts.push(part);
  };
  for (const part of before) {
    const keys = part.keys.filter((key) => kept.has(key));
    for (const key of keys) kept.delete(key);
    if (keys.length > 0) add(keys.length === part.keys.length ? part : { id: part.id, keys });
  }
  const fresh = [...kept];
  let id = before.reduce((highest, part) => Math.max(highest, part.id), 0);
  const last = parts.at(-1);
  let from = 0;
  let size = AGENT_LIMITS.skippedPartKeys - (last?.keys.length ?? AGENT_LIMITS.skippedPartKeys);
  if (size === 0) size = AGENT_LIMITS.skippedPartKeys;
  for (; from < fresh.length; size = AGENT_LIMITS.skippedPartKeys) {
    id = (id + 1) >>> 0;
    add({ id, keys: fresh.slice(from, from + size) });
    from += size;
  }
  return parts;
}

/** All rows of a session go. */
export async function forgetSession(tx: StoreTransaction, sid: Uint8Array): Promise<void> {
  tx.delete(ROW.session(sid));
  await forgetSkipped(tx, sid);
}

/** The session stays, without keys of messages that have not come. */
export async function forgetSkipped(tx: StoreTransaction, sid: Uint8Array): Promise<void> {
  const ids = await idsOf(tx, sid);
  for (const id of ids) tx.delete(ROW.skippedPart(sid, id));
  if (ids.length > 0) tx.delete(ROW.skipped(sid));
}
