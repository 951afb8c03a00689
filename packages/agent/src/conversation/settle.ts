/**
 * What an opened message changes (protocol.md §2.8 steps 9 to 11): the peer's instance, the
 * session, the window of its numbers, what it acknowledges. Owns these transitions and their
 * writes; opening is `receive`'s, delivering and answering is `receiver`'s.
 */
import { CryptoError, equalBytes } from '@agentmesh/crypto';
import type { SequenceRange } from '@agentmesh/crypto';
import type { Body } from './body.js';
import { AgentError } from '../ground/errors.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { isAwaiting, outgoingOf } from './outgoing.js';
import { encodePeer, replaceWindow, windowAt } from './peer.js';
import type { Outgoing } from './outgoing.js';
import type { Peer } from './peer.js';
import {
  forgetParts,
  isHeardHere,
  isHeardOfStore,
  isOtherHeard,
  rememberHeard,
  rememberInstead,
} from './heard-tags.js';
import { goneOn, holesOf, isKnownParent, isTakenTwice, unheard, windowsOf } from './run.js';
import type { RunWord } from './run.js';
import { isSameStore } from '../self/meta.js';
import { ROW } from '../store/row-keys.js';
import { applicationId, loadSent } from './sent-log.js';
import { giveUp, highest, isNew, observe } from './sequence-window.js';
import type { Observed, SequenceWindow, WindowKey } from './sequence-window.js';
import { withBounds } from './session-bounds.js';
import { findSession } from './sessions.js';
import { saveReceived } from './skipped-keys.js';
import type { SkippedPart } from './skipped-keys.js';
import { isFirstOf, withInstance } from './speaker.js';
import type { SpokenMessage } from './speaker.js';
import type { StoreTransaction } from '../store/store-transaction.js';

/** What owes no receipt: an answer would bring about the next one. */
const UNANSWERED: ReadonlySet<Body['kind']> = new Set([
  'receipt',
  'retry',
  'run',
  'outcome',
  'revocation',
  'formerTalk',
]);

/** An opened message, with what was known before it. */
export interface OpenedMessage extends SpokenMessage {
  readonly tx: StoreTransaction;
  /** Whether this run knows the message at this position and awaits its receipt. */
  readonly isAwaited: (aid: Uint8Array, epoch: number, number: number) => boolean;
  /** Its skipped keys, as they are stored. */
  readonly skipped: readonly SkippedPart[];
  /** Its sender had heard nothing of ours in its session. */
  readonly couldBegin: boolean;
}

/** The peer after a message, and what is worth telling. */
export interface Settled {
  readonly peer: Peer;
  /** Whether it had been received before: nothing is delivered then. */
  readonly repeated: boolean;
  /** The peer has another store than before. */
  readonly instanceChanged: boolean;
  /** Whose store is seen to have gone back in time, if any is. */
  readonly wentBack: WentBack | null;
  /** Highest number of that store up to which nothing is missing. */
  readonly mark: number;
  /** Numbers of its that will never come. */
  readonly lost: readonly SequenceRange[];
  /** It says that it has everything of ours up to here; of the epoch of its session. */
  readonly acknowledged: number;
  /** Messages of the application, sent in an earlier run, that it has now acknowledged. */
  readonly acknowledgedEarlier: readonly EarlierMessage[];
  /** Message keys that fell to their bounds: those messages are lost. */
  readonly droppedKeys: number;
}

/** `theirs`: with what the peer has to be told. */
export type WentBack =
  { readonly whose: 'ours' } | { readonly whose: 'theirs'; readonly word: RunWord };

/** A message of ours that this run knows from the store only. */
interface EarlierMessage {
  readonly number: number;
  /** msgId in hex. */
  readonly id: string;
}

const OURS: WentBack = { whose: 'ours' };
/** A store that begins again: behind the instance that was known last. */
const FROM_UNKNOWN = { instance: new Uint8Array(16), number: 1, before: [] };

/** Steps 9 to 11: judges instance and number, then writes everything but the inbox row. */
export async function settle(message: OpenedMessage): Promise<Settled> {
  const { tx, opened } = message;
  if (opened.content.convSeq === 0) throw new CryptoError('BAD_CONTENT');
  const { peer: heard, instanceChanged } = withInstance(message);
  const numbered = await withNumber(message, heard);
  const acknowledged = await withAcknowledgement(message, numbered.peer);
  const owing = withReceiptOwed(message, acknowledged.peer);
  const { peer: bounded, droppedKeys } = await withBounds(tx, owing, boundsOf(message));
  writeSession(message);
  writeGap(message, bounded);
  const windows = { before: message.peer, after: bounded };
  const aside = await forgetParts(tx, bounded.identity.aid, windows);
  const peer: Peer = { ...bounded, aside };
  const stored = { peer, former: [] };
  tx.putLate(ROW.peer(peer.identity.aid), stored, (last) => encodePeer(last.peer));
  const { repeated, lost, mark } = numbered;
  const wentBack = isOursOld(message, acknowledged) ? OURS : numbered.wentBack;
  const dropped = droppedKeys + opened.droppedKeys;
  const acks = { acknowledged: acknowledged.upTo, acknowledgedEarlier: acknowledged.earlier };
  return { peer, repeated, lost, mark, wentBack, instanceChanged, ...acks, droppedKeys: dropped };
}

interface Numbered {
  readonly peer: Peer;
  readonly repeated: boolean;
  readonly lost: readonly SequenceRange[];
  readonly mark: number;
  readonly wentBack: WentBack | null;
}

/** Step 10: new, received before, or a number that another message has taken. */
async function withNumber(message: OpenedMessage, before: Peer): Promise<Numbered> {
  const { tx, me, opened, body } = message;
  const { convSeq: number, msgId, instance, boot } = opened.content;
  const key = { since: me.meta.since, instance };
  const heard = { number, msgId };
  // Looked for before anything is changed: a new window may take the place of one that knows it.
  const isKnown = await isHeardOfStore(tx, before, { key, heard });
  const { peer, wentBack } = withRun(message, before, isKnown);
  const windows = windowsOf(peer, key, number, await isHeardHere(tx, peer, { key, heard }));
  // A nudge may stand in the place of a content that was given up: it shows no clone.
  const mayShowClone = body.kind !== 'nudge';
  const taken: SequenceWindow[] = [];
  const mistaken: SequenceWindow[] = [];
  for (const window of windows.filter((each) => !isNew(each, number))) {
    const isOther = mayShowClone && (await isOtherHeard(tx, peer, { window, heard }));
    if (isOther && equalBytes(window.instance, instance)) throw new AgentError('CLONE_OR_ROLLBACK');
    (isOther ? mistaken : taken).push(window);
  }
  const { low } = windows.at(-1) ?? windows[0];
  const repeated = taken.length > 0 || isKnown;
  // A later run shares the number, which one of a lost time was supposed to have given it.
  let { aside } = peer;
  for (const window of mistaken) {
    aside = await rememberInstead(tx, { ...peer, aside }, { window, heard });
  }
  let numbered: Numbered = { peer: { ...peer, aside }, repeated, lost: [], mark: low, wentBack };
  // Also one that is known from elsewhere counts where it is missing: it would be asked for again.
  for (const window of windows.filter((each) => isNew(each, number))) {
    const observed = observe(window, { number, boot });
    const settled = withFloor(observed, body, number);
    const { lost } = settled;
    await rememberHeard(tx, peer.identity.aid, { window: settled.window, heard });
    const mark = settled.window.low;
    numbered = { ...numbered, peer: replaceWindow(numbered.peer, settled.window), lost, mark };
  }
  const speaker = findSession(before.sessions, opened.session.sid)?.instance ?? instance;
  if (!equalBytes(speaker, instance) && isSameStore(speaker, instance)) {
    numbered = { ...numbered, peer: await withSpeaker(message, numbered.peer, speaker) };
  }
  if (repeated) return numbered;
  return { ...numbered, wentBack: wentBack ?? takenTwice(before, numbered.peer, key) };
}

/**
 * A later run of the peer's store has sent this, a content of an earlier one, again: the number is
 * its own, too. It may not have said yet from where it goes on.
 */
async function withSpeaker(
  { tx, me, opened }: OpenedMessage,
  peer: Peer,
  instance: Uint8Array,
): Promise<Peer> {
  const { convSeq: number, msgId } = opened.content;
  const window = windowAt(peer, { since: me.meta.since, instance });
  if (window === null || !isNew(window, number)) return peer;
  const { window: observed } = observe(window, { number, boot: window.boot });
  const heard = { number, msgId };
  await rememberHeard(tx, peer.identity.aid, { window: observed, heard });
  return replaceWindow(peer, observed);
}

/** A new run of the peer's store says where it goes on, or shows it by its first number. */
function withRun(
  message: OpenedMessage,
  peer: Peer,
  isKnown: boolean,
): { readonly peer: Peer; readonly wentBack: WentBack | null } {
  const { me, opened, body } = message;
  const { instance, convSeq } = opened.content;
  const key = { since: me.meta.since, instance };
  const isSaid = body.kind === 'run' && body.word.what === 'goesOn';
  const isPresent = peer.instance !== null && equalBytes(peer.instance, instance);
  const isShown = convSeq === 1 && isPresent && !isKnown && isUnheard(message, key);
  if (!isSaid && !isShown) return { peer, wentBack: null };
  const { windows, wentBack } = goneOn(peer, key, isSaid ? body.word : FROM_UNKNOWN);
  if (wentBack === null && !isSaid) return { peer, wentBack: null };
  const told = wentBack === null ? null : theirs(wentBack);
  return { peer: windows.reduce(replaceWindow, peer), wentBack: told };
}

/** Whether a session begins with an instance of which nothing was heard or told. */
function isUnheard(message: OpenedMessage, key: WindowKey): boolean {
  const { peer } = message;
  return isFirstOf(message) && windowAt(peer, key) === null && !isKnownParent(peer, key);
}

/** The first message of a lost time that comes after the store has gone on without it. */
function takenTwice(before: Peer, after: Peer, key: WindowKey): WentBack | null {
  const [was, is] = [windowAt(before, key), windowAt(after, key)];
  if (is === null || !isTakenTwice(after, is)) return null;
  return was !== null && isTakenTwice(after, was) ? null : theirs(is);
}

function theirs(window: SequenceWindow): WentBack {
  const { instance } = window;
  return {
    whose: 'theirs',
    word: { what: 'wentBack', instance, number: highest(window), before: [] },
  };
}

/**
 * Whether the peer knows of more than this store: it says so, or it acknowledges, in a session of
 * an earlier run, what was never sent here.
 */
function isOursOld({ me, body }: OpenedMessage, { isBeyond, outgoing }: Acknowledged): boolean {
  if (isBeyond) return true;
  if (body.kind !== 'run' || body.word.what !== 'wentBack') return false;
  const { instance } = me.meta;
  const isEarlier = !equalBytes(body.word.instance, instance);
  return isEarlier && isSameStore(body.word.instance, instance) && outgoing.run === me.meta.epoch;
}

/** A receipt may name the number up to which nothing will be sent again; never its own. */
function withFloor(observed: Observed, body: Body, number: number): Observed {
  if (body.kind !== 'receipt' || body.floor === null) return observed;
  const { window, lost } = giveUp(observed.window, Math.min(body.floor, number - 1));
  return { window, lost: [...observed.lost, ...lost] };
}

/**
 * The peer has everything up to `peerAck`: those contents are no longer kept. Only where it had
 * seen a message of this store of ours in the session, else it means another store's numbers.
 */
async function withAcknowledgement(message: OpenedMessage, peer: Peer): Promise<Acknowledged> {
  const { tx, me, opened, couldBegin } = message;
  const { epoch: run, numbersSince: epoch } = me.meta;
  const entry = findSession(peer.sessions, opened.session.sid);
  const outgoing = outgoingOf(peer, epoch);
  const { peerAck } = opened.content;
  // To a former identity, after we have spoken as another one: its numbers are counted no more.
  const isCounted = !couldBegin && peer.outgoing.epoch <= epoch;
  const meant = isCounted && entry?.heard === true && entry.epoch >= epoch;
  // In a session of an earlier run nothing of the present one was sent.
  const last = entry?.lastNumber || outgoing.next - 1;
  const isBeyond = meant && entry.epoch < run && peerAck > last;
  const upTo = meant && peerAck <= last ? peerAck : outgoing.acked;
  if (upTo <= outgoing.acked) return { peer, outgoing, upTo, isBeyond, earlier: [] };
  const earlier: EarlierMessage[] = [];
  const keptFrom = Math.max(outgoing.keptFrom, peerAck + 1);
  for (let number = outgoing.keptFrom; number < keptFrom; number++) {
    const id = await earlierId(message, number);
    if (id !== null) earlier.push({ number, id });
    tx.delete(ROW.sent(peer.identity.aid, epoch, number));
  }
  const before = keptFrom === outgoing.next ? outgoing.total : outgoing.before;
  const links = outgoing.links.length === 0 ? [] : unheard(outgoing.links, peerAck);
  const acked = {
    ...outgoing,
    acked: peerAck,
    keptFrom,
    before,
    links,
  };
  if (isAwaiting(outgoing) && !isAwaiting(acked)) tx.delete(ROW.unacked(peer.identity.aid));
  return { peer: { ...peer, outgoing: acked }, outgoing: acked, upTo, isBeyond, earlier };
}

interface Acknowledged {
  readonly peer: Peer;
  readonly outgoing: Outgoing;
  readonly upTo: number;
  /** Whether it acknowledges what this store has not sent. */
  readonly isBeyond: boolean;
  readonly earlier: readonly EarlierMessage[];
}

/** Id of a kept message of the application that this run does not know; else null. */
async function earlierId(
  { tx, me, peer, isAwaited }: OpenedMessage,
  number: number,
): Promise<string | null> {
  const { aid } = peer.identity;
  const { numbersSince: epoch } = me.meta;
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

function boundsOf({ me, opened }: OpenedMessage) {
  return { epoch: me.meta.epoch, nowMs: me.nowMs, sid: opened.session.sid };
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
function writeSession({ tx, me, before, skipped, opened }: OpenedMessage): void {
  const { session } = opened;
  saveReceived(tx, session, skipped);
  if (before !== null || !('oneTimePrekeyId' in opened)) return;
  const untilMs = me.nowMs + AGENT_LIMITS.usedSessionMs;
  tx.put(ROW.usedSession(session.sid), new Uint8Array());
  tx.put(ROW.usedUntil(untilMs, session.sid), session.sid);
  if (opened.oneTimePrekeyId !== 0) tx.delete(ROW.oneTimePrekey(opened.oneTimePrekeyId));
}
