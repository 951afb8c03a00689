/**
 * Who speaks (protocol.md §2.9, §2.11 P6): whose store is at the other end of a session, which of
 * its runs seals in it, and which run is the peer's present one, however late what is heard of
 * others. Owns this judgement over one opened message; its number is `settle`'s.
 */
import { CryptoError, equalBytes } from '@agentmesh/crypto';
import type { CryptoSession, Opened, OpenedInitial } from '@agentmesh/crypto';
import { InstanceHeldError } from '../ground/errors.js';
import type { Author } from '../self/author.js';
import { isSameStore } from '../self/meta.js';
import type { Body } from './body.js';
import { replaceSession, windowAt } from './peer.js';
import type { Peer } from './peer.js';
import { goesOnFrom, isEarlierRun, isLate, isOfPastStore } from './run.js';
import { doubtUnanswered, entryOf, findSession, isOfLostTime } from './sessions.js';
import type { SessionEntry } from './sessions.js';
import type { TrustPolicy } from './trust.js';

/** An opened message as far as it shows who speaks. */
export interface SpokenMessage {
  readonly me: Author;
  readonly policy: TrustPolicy;
  readonly peer: Peer;
  /** Its session before; null for the first message of a new one. */
  readonly before: CryptoSession | null;
  readonly opened: Opened | OpenedInitial;
  readonly body: Body;
}

/**
 * §2.9: whose store is at the other end of the session. A session that shows a new store makes that
 * store the current one (strict trust: only once approved); what we began before is then doubtful.
 */
export function withInstance(message: SpokenMessage): {
  readonly peer: Peer;
  readonly instanceChanged: boolean;
} {
  const { opened, policy, body } = message;
  const { instance, sentAtMs, boot } = opened.content;
  const entry = entryAfter(message);
  const known = message.peer.instance;
  // Runs of one store share a session; another store has none of its keys.
  const own = findSession(message.peer.sessions, opened.session.sid)?.instance ?? null;
  if (own !== null && !isSameStore(own, instance)) throw new CryptoError('BAD_CONTENT');
  const isOther = known !== null && isFirstOf(message) && !isSameStore(known, instance);
  const instanceChanged = isOther && !isOfPastStore(message.peer, instance, sentAtMs);
  if (instanceChanged && policy.mode === 'strict') {
    throw new InstanceHeldError(instance);
  }
  // A retry request on another session says that the peer cannot read what we began.
  const doubt = instanceChanged || (body.kind === 'retry' && isFirstOf(message));
  const sessions = doubt ? doubtUnanswered(message.peer.sessions) : message.peer.sessions;
  const peer = replaceSession({ ...message.peer, sessions }, entry);
  const trust = peer.trust === 'first-contact' ? 'pinned' : peer.trust;
  const speaks = { instance, spoken: { boot, atMs: sentAtMs } };
  if (known === null || instanceChanged) {
    return { peer: { ...peer, trust, ...speaks, ackSent: 0, owed: 0 }, instanceChanged };
  }
  if (equalBytes(known, instance)) {
    const { boot: before, atMs } = peer.spoken;
    const spoken = { boot: Math.max(before, boot), atMs: Math.max(atMs, sentAtMs) };
    return { peer: { ...peer, trust, spoken }, instanceChanged };
  }
  const next = isPresentNow(message, entry, known) ? { ...speaks, ackSent: 0 } : {};
  return { peer: { ...peer, trust, ...next }, instanceChanged };
}

/**
 * Whether another run than the present one of the same store is what sends from now on. What it
 * only says again in its session is of runs before it. What comes to a former identity of ours may
 * be late, and its numbers do not say how runs followed each other since.
 */
function isPresentNow(
  { peer, me, opened, body }: SpokenMessage,
  entry: SessionEntry,
  known: Uint8Array,
): boolean {
  const { instance } = opened.content;
  if (!isSameStore(known, instance)) return false;
  if (body.kind === 'run' && goesOnFrom(body.word, known)) return true;
  const isSaidAgain = entry.instance === null || !equalBytes(entry.instance, instance);
  if (isSaidAgain || me.isFormer) return false;
  const key = { since: me.meta.since, instance };
  if (isEarlierRun(peer, { ...key, instance: known }, instance)) return true;
  // What only a first number showed is taken back when the run that was there before goes on.
  const isSupposed = windowAt(peer, { ...key, instance: known })?.parent?.from === 1;
  return (isSupposed || !isEarlierRun(peer, key, known)) && !isLate(peer, opened.content);
}

/** Whether nothing of the peer's had come in this session before. */
export function isFirstOf({ peer, opened }: SpokenMessage): boolean {
  return (findSession(peer.sessions, opened.session.sid)?.instance ?? null) === null;
}

function entryAfter({ peer, me, before, opened }: SpokenMessage): SessionEntry {
  const { session, content } = opened;
  const epoch = me.meta.epoch - (isOfLostTime(opened, me.meta) ? 1 : 0);
  const entry = findSession(peer.sessions, session.sid) ?? entryOf(session, me.nowMs, epoch);
  // The peer turns its ratchet only in answer to a message of ours.
  const turned =
    before?.phase === 'established' &&
    !equalBytes(before.receiving.ratchetKey, session.receiving.ratchetKey);
  // Contents of earlier runs may be sent again in it: its end is the latest one that has spoken.
  const isLater = content.boot > entry.boot || entry.instance === null;
  return {
    ...entry,
    usedMs: me.nowMs,
    instance: isLater ? content.instance : entry.instance,
    boot: Math.max(content.boot, entry.boot),
    heard: entry.heard || entry.ours || turned,
    doubtful: false,
    skipped: session.skipped.length,
  };
}
