/**
 * From content to message: the next number, the content around a body, and its sealing. Owns what
 * sending changes of a peer and of a session; pure, so that the caller commits all of it at once
 * before a byte leaves (protocol.md §2.11 P1).
 */
import { CONTENT_KIND, decodeContent, encodeContent, seal } from '@agentmesh/crypto';
import type { ContentKind, CryptoSession } from '@agentmesh/crypto';
import { outgoingOf } from './outgoing.js';
import { ackOf, replaceSession } from './peer.js';
import type { Peer } from './peer.js';
import { encodeRunWord, lineFrom, withLink } from './run.js';
import { receiptBody } from './body.js';
import type { Author } from '../self/author.js';
import { findSession } from './sessions.js';

/** What is to be said. */
export interface Draft {
  readonly kind: ContentKind;
  readonly body: Uint8Array;
  /** 16 random bytes, where they have to be known before; drawn here by default. */
  readonly msgId?: Uint8Array | undefined;
}

/** A peer and the session that sends to it. */
export interface Conversation {
  readonly peer: Peer;
  readonly session: CryptoSession;
}

/** The finished message, and what it changes. */
export interface Composed extends Conversation {
  readonly wire: Uint8Array;
  readonly content: Uint8Array;
  readonly msgId: Uint8Array;
  readonly number: number;
}

/** The directory log is not in use yet (§2.12). */
const NO_LOG = { logSize: 0, logHead: new Uint8Array(32) };

/** Seals a draft as the next message to the peer. Throws what `seal` throws. */
export function compose(author: Author, conversation: Conversation, draft: Draft): Composed {
  const { meta, nowMs, random } = author;
  const { peer } = conversation;
  const outgoing = outgoingOf(peer, meta.numbersSince);
  const ack = ackOf(peer, meta.since);
  const msgId = draft.msgId ?? random(16);
  const content = encodeContent({
    kind: draft.kind,
    msgId,
    sentAtMs: nowMs,
    convSeq: outgoing.next,
    peerAck: ack,
    instance: meta.instance,
    boot: meta.boot,
    ...NO_LOG,
    fromName: meta.name,
    toName: peer.name,
    body: draft.body,
  });
  const sealed = sealContent(author, conversation, content);
  const numbered: Peer = {
    ...sealed.peer,
    outgoing: {
      ...outgoing,
      next: outgoing.next + 1,
      total: outgoing.total + content.length,
      run: meta.epoch,
      instance: meta.instance,
    },
    ackSent: ack,
    owed: 0,
  };
  return { ...sealed, peer: numbered, content, msgId, number: outgoing.next };
}

/** Whether nothing was sent in the session of this conversation yet. */
export function isUnused({ peer, session }: Conversation): boolean {
  return findSession(peer.sessions, session.sid)?.sent === 0;
}

/**
 * What has to be said first in a new run of our store, if the peer has had numbers of an earlier
 * one or may have: where they go on. Acknowledgements in the sessions of before are then of numbers
 * of before.
 */
export function goOn(
  { meta }: Author,
  { peer, session }: Conversation,
): { readonly conversation: Conversation; readonly word: Draft | null } {
  const { run, next, instance, epoch, total } = peer.outgoing;
  const isUnsaid = total === 0;
  const isFresh = epoch !== meta.numbersSince || (isUnsaid && !mayHaveMore(meta, peer));
  if (isFresh && epoch === meta.numbersSince && next > 1) {
    // It may have been known here once: what was said to it then is not said again.
    const word = { kind: CONTENT_KIND.receipt, body: receiptBody(next - 1) };
    return { conversation: { peer, session }, word };
  }
  if (isFresh || run === meta.epoch) return { conversation: { peer, session }, word: null };
  const sessions = peer.sessions.map((entry) =>
    entry.epoch === meta.epoch || entry.lastNumber > 0 ? entry : { ...entry, lastNumber: next - 1 },
  );
  const before = (isUnsaid ? meta.previous : instance) ?? new Uint8Array(16);
  const links = withLink(peer.outgoing.links, { instance: before, number: next });
  const body = encodeRunWord({ what: 'goesOn', ...lineFrom(peer.outgoing, links) });
  const outgoing = { ...peer.outgoing, links };
  return {
    conversation: { peer: { ...peer, sessions, outgoing }, session },
    word: { kind: CONTENT_KIND.run, body },
  };
}

/** Whether this peer may have messages of a time that this store has lost. */
function mayHaveMore({ previous, epoch }: Author['meta'], { instance, sessions }: Peer): boolean {
  const isOlder = instance !== null || sessions.some((entry) => entry.epoch < epoch);
  return previous !== null && isOlder;
}

/**
 * Seals a kept content again (§2.10): same number, same msgId, same body. Only `peerAck` is what it
 * would be now: the kept one may count the messages of a store that the peer has lost since, and
 * its new store would take it for its own.
 */
export function composeAgain(
  author: Author,
  conversation: Conversation,
  kept: Uint8Array,
): Conversation & { readonly wire: Uint8Array } {
  const peerAck = ackOf(conversation.peer, author.meta.since);
  const content = encodeContent({ ...decodeContent(kept), peerAck });
  return sealContent(author, conversation, content);
}

function sealContent(
  { keyPair, random, nowMs }: Author,
  { peer, session }: Conversation,
  content: Uint8Array,
): Conversation & { readonly wire: Uint8Array } {
  const sealed = seal({ session, keyPair, content, random });
  const entry = findSession(peer.sessions, session.sid);
  const used =
    entry === undefined
      ? peer
      : replaceSession(peer, { ...entry, sent: entry.sent + 1, usedMs: nowMs });
  return { peer: used, session: sealed.session, wire: sealed.wire };
}
