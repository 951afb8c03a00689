/**
 * What an opened message changes (protocol.md §2.8 steps 9 to 11): the peer's instance, the
 * session, the window of his numbers, what he acknowledges. Owns these transitions and their
 * writes; opening is `receive`'s, delivering and answering is `receiver`'s.
 */
import { CryptoError, decodeSession, encodeSession, equalBytes, LIMITS } from '@agentmesh/crypto';
import type { CryptoSession, Opened, OpenedInitial, SequenceRange } from '@agentmesh/crypto';
import type { Body } from './body.js';
import type { Author } from '../self/author.js';
import { AgentError, InstanceHeldError } from '../ground/errors.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import {
  encodePeer,
  holesOf,
  isAwaiting,
  outgoingOf,
  replaceSession,
  replaceWindow,
  windowOf,
} from './peer.js';
import type { Peer } from './peer.js';
import type { Meta } from '../self/meta.js';
import { ROW } from '../store/row-keys.js';
import { applicationId, loadSent } from './sent-log.js';
import { giveUp, noveltyOf, observe } from './sequence-window.js';
import type { Observed } from './sequence-window.js';
import { boundSessions, doubtUnanswered, entryOf, findSession } from './sessions.js';
import type { SessionEntry } from './sessions.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import type { TrustPolicy } from './trust.js';

/** What owes no receipt: an answer would bring about the next one. */
const UNANSWERED: ReadonlySet<Body['kind']> = new Set([
  'receipt',
  'retry',
  'outcome',
  'revocation',
]);

/** An opened message, with what was known before it. */
export interface OpenedMessage {
  readonly tx: StoreTransaction;
  readonly me: Author;
  readonly policy: TrustPolicy;
  /** Whether this run knows the message at this place and awaits its receipt. */
  readonly isAwaited: (aid: Uint8Array, epoch: number, number: number) => boolean;
  readonly peer: Peer;
  /** Its session before; null for the first message of a new one. */
  readonly before: CryptoSession | null;
  readonly opened: Opened | OpenedInitial;
  readonly body: Body;
}

/** The peer after a message, and what is worth telling. */
export interface Settled {
  readonly peer: Peer;
  /** Whether it had been received before: nothing is delivered then. */
  readonly repeated: boolean;
  /** The peer has another store than before. */
  readonly instanceChanged: boolean;
  /** Highest number of that store up to which nothing is missing. */
  readonly mark: number;
  /** Numbers of his that will never come. */
  readonly lost: readonly SequenceRange[];
  /** He says that he has everything of ours up to here; of the epoch of his session. */
  readonly acknowledged: number;
  /** Messages of the application, sent in an earlier run, that he has now acknowledged. */
  readonly acknowledgedEarlier: readonly EarlierMessage[];
  /** Message keys that fell to their bounds: those messages are lost. */
  readonly droppedKeys: number;
}

/** A message of ours that this run knows from the store only. */
interface EarlierMessage {
  readonly number: number;
  /** msgId in hex. */
  readonly id: string;
}

/** Steps 9 to 11: judges instance and number, then writes everything but the inbox row. */
export async function settle(message: OpenedMessage): Promise<Settled> {
  const { tx, opened } = message;
  if (opened.content.convSeq === 0) throw new CryptoError('BAD_CONTENT');
  const { peer: heard, instanceChanged } = withInstance(message);
  const numbered = withNumber(message, heard);
  const acknowledged = await withAcknowledgement(message, numbered.peer);
  const owing = withReceiptOwed(message, acknowledged.peer);
  const { peer, droppedKeys } = await withBounds(message, owing);
  writeSession(message);
  writeGap(message, peer);
  tx.put(ROW.peer(peer.identity.aid), encodePeer(peer));
  const { repeated, lost } = numbered;
  const { instance } = opened.content;
  const mark = windowOf(peer, { since: message.me.meta.since, instance }).low;
  const dropped = droppedKeys + opened.droppedKeys;
  const { upTo, earlier } = acknowledged;
  const acks = { acknowledged: upTo, acknowledgedEarlier: earlier };
  return { peer, repeated, lost, mark, instanceChanged, ...acks, droppedKeys: dropped };
}

/**
 * §2.9: whose store is at the other end of the session. A session that shows a new store makes that
 * store the current one (strict trust: only once approved); what we began before is then doubtful.
 */
function withInstance(message: OpenedMessage): {
  readonly peer: Peer;
  readonly instanceChanged: boolean;
} {
  const { opened, policy, body } = message;
  const { instance } = opened.content;
  const entry = entryAfter(message);
  const known = message.peer.instance;
  const instanceChanged = known !== null && isFirstOf(message) && !equalBytes(known, instance);
  if (instanceChanged && policy.mode === 'strict') {
    throw new InstanceHeldError(instance);
  }
  // A retry request on another session says that the peer cannot read what we began.
  const doubt = instanceChanged || (body.kind === 'retry' && isFirstOf(message));
  const sessions = doubt ? doubtUnanswered(message.peer.sessions) : message.peer.sessions;
  const peer = replaceSession({ ...message.peer, sessions }, entry);
  const trust = peer.trust === 'first-contact' ? 'pinned' : peer.trust;
  if (known !== null && !instanceChanged) return { peer: { ...peer, trust }, instanceChanged };
  return { peer: { ...peer, trust, instance, ackSent: 0, owed: 0 }, instanceChanged };
}

/** Whether nothing of the peer's had come in this session before. */
function isFirstOf({ peer, opened }: OpenedMessage): boolean {
  return (findSession(peer.sessions, opened.session.sid)?.instance ?? null) === null;
}

function entryAfter({ peer, me, before, opened }: OpenedMessage): SessionEntry {
  const { session, content } = opened;
  const epoch = me.meta.epoch - (isOfLostTime(opened, me.meta) ? 1 : 0);
  const entry = findSession(peer.sessions, session.sid) ?? entryOf(session, me.nowMs, epoch);
  // He turns his ratchet only in answer to a message of ours.
  const turned =
    before?.phase === 'established' &&
    !equalBytes(before.receiving.ratchetKey, session.receiving.ratchetKey);
  return {
    ...entry,
    usedMs: me.nowMs,
    instance: entry.instance ?? content.instance,
    heard: entry.heard || entry.ours || turned,
    doubtful: false,
    skipped: session.skipped.length,
  };
}

/**
 * Whether a new session was begun with prekeys that an earlier time of our store may have answered
 * it with: there it has gone on with other keys, so here it only receives (P6).
 */
function isOfLostTime(opened: Opened | OpenedInitial, { prekeysFrom }: Meta): boolean {
  if (!('signedPrekeyId' in opened)) return false;
  const { signedPrekeyId, oneTimePrekeyId } = opened;
  return (oneTimePrekeyId === 0 ? signedPrekeyId : oneTimePrekeyId) < prekeysFrom;
}

interface Numbered {
  readonly peer: Peer;
  readonly repeated: boolean;
  readonly lost: readonly SequenceRange[];
}

/** Step 10: new, received before, or a number that another message has taken. */
function withNumber({ me, opened, body }: OpenedMessage, peer: Peer): Numbered {
  const { convSeq: number, msgId, instance, boot } = opened.content;
  const window = windowOf(peer, { since: me.meta.since, instance });
  const novelty = noveltyOf(window, number, msgId);
  if (novelty === 'conflict') throw new AgentError('CLONE_OR_ROLLBACK');
  if (novelty === 'duplicate') return { peer, repeated: true, lost: [] };
  const observed = observe(window, { number, msgId, boot });
  const settled = withFloor(observed, body, number);
  return { peer: replaceWindow(peer, settled.window), repeated: false, lost: settled.lost };
}

/** A receipt may name the number up to which nothing will be sent again; never its own. */
function withFloor(observed: Observed, body: Body, number: number): Observed {
  if (body.kind !== 'receipt' || body.floor === null) return observed;
  const { window, lost } = giveUp(observed.window, Math.min(body.floor, number - 1));
  return { window, lost: [...observed.lost, ...lost] };
}

/**
 * The peer has everything up to `peerAck`: those contents are no longer kept. Only in a session in
 * which he has seen a message of this very store of ours, else he means another store's numbers.
 */
async function withAcknowledgement(
  message: OpenedMessage,
  peer: Peer,
): Promise<{
  readonly peer: Peer;
  readonly upTo: number;
  readonly earlier: readonly EarlierMessage[];
}> {
  const { tx, me, opened } = message;
  const { epoch } = me.meta;
  const entry = findSession(peer.sessions, opened.session.sid);
  const outgoing = outgoingOf(peer, epoch);
  const { peerAck } = opened.content;
  const meant = entry?.heard === true && entry.epoch === epoch;
  const upTo = meant ? peerAck : outgoing.acked;
  if (!meant || peerAck <= outgoing.acked || peerAck >= outgoing.next) {
    return { peer, upTo, earlier: [] };
  }
  const earlier: EarlierMessage[] = [];
  const keptFrom = Math.max(outgoing.keptFrom, peerAck + 1);
  for (let number = outgoing.keptFrom; number < keptFrom; number++) {
    const id = await earlierId(message, number);
    if (id !== null) earlier.push({ number, id });
    tx.delete(ROW.sent(peer.identity.aid, epoch, number));
  }
  const before = keptFrom === outgoing.next ? outgoing.total : outgoing.before;
  const acked = { ...outgoing, acked: peerAck, keptFrom, before };
  if (isAwaiting(outgoing) && !isAwaiting(acked)) tx.delete(ROW.unacked(peer.identity.aid));
  return { peer: { ...peer, outgoing: acked }, upTo, earlier };
}

/** Id of a kept message of the application that this run does not know; else null. */
async function earlierId(
  { tx, me, peer, isAwaited }: OpenedMessage,
  number: number,
): Promise<string | null> {
  const { aid } = peer.identity;
  const { epoch } = me.meta;
  if (isAwaited(aid, epoch, number)) return null;
  const sent = await loadSent(tx, aid, { epoch, number });
  return sent === null ? null : applicationId(sent);
}

/** Only what the application sent, or a nudge, asks for a receipt: receipts answer none. */
function withReceiptOwed({ tx, body }: OpenedMessage, peer: Peer): Peer {
  if (UNANSWERED.has(body.kind)) return peer;
  if (peer.owed === 0) tx.put(ROW.receipt(peer.identity.aid), new Uint8Array());
  return { ...peer, owed: peer.owed + 1 };
}

/** Caps on sessions and on skipped keys; what falls is deleted with the same commit. */
async function withBounds(
  { tx, me, opened }: OpenedMessage,
  peer: Peer,
): Promise<{ readonly peer: Peer; readonly droppedKeys: number }> {
  const standing = { epoch: me.meta.epoch, instance: peer.instance };
  const { kept, dropped } = boundSessions(peer.sessions, standing, me.nowMs);
  for (const { sid } of dropped) tx.delete(ROW.session(sid));
  const total = kept.reduce((sum, entry) => sum + entry.skipped, 0);
  if (total <= LIMITS.skippedKeysPerPeer)
    return { peer: { ...peer, sessions: kept }, droppedKeys: 0 };
  const stalest = kept
    .filter((entry) => entry.skipped > 0 && !equalBytes(entry.sid, opened.session.sid))
    .toSorted((a, b) => a.usedMs - b.usedMs)[0];
  if (stalest === undefined) return { peer: { ...peer, sessions: kept }, droppedKeys: 0 };
  const row = await tx.get(ROW.session(stalest.sid));
  if (row !== null) {
    tx.put(ROW.session(stalest.sid), encodeSession({ ...decodeSession(row), skipped: [] }));
  }
  const emptied = replaceSession({ ...peer, sessions: kept }, { ...stalest, skipped: 0 });
  return { peer: emptied, droppedKeys: stalest.skipped };
}

/** Whether something is missing is known to the next run too: it asks for it. */
function writeGap({ tx, me, peer: before }: OpenedMessage, after: Peer): void {
  const { since } = me.meta;
  const key = ROW.gap(after.identity.aid);
  const [had, has] = [before, after].map((peer) => holesOf(peer, since).length > 0);
  if (has && !had) tx.put(key, new Uint8Array());
  else if (had && !has) tx.delete(key);
}

/** Step 11: the session's successor; for a new one the used prekey goes and its sid stays known. */
function writeSession({ tx, me, before, opened }: OpenedMessage): void {
  const { session } = opened;
  tx.put(ROW.session(session.sid), encodeSession(session));
  if (before !== null || !('oneTimePrekeyId' in opened)) return;
  const untilMs = me.nowMs + AGENT_LIMITS.usedSessionMs;
  tx.put(ROW.usedSession(session.sid), new Uint8Array());
  tx.put(ROW.usedUntil(untilMs, session.sid), session.sid);
  if (opened.oneTimePrekeyId !== 0) tx.delete(ROW.oneTimePrekey(opened.oneTimePrekeyId));
}
