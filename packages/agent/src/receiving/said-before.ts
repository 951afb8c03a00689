/**
 * A message of a conversation of former identities that comes in the present one (protocol.md
 * §2.13). Owns finding whose it is and whether it has come before; what becomes of it then is that
 * of every message.
 */
import { AgentMeshError, CryptoError, encodeContent, equalBytes } from '@agentmesh/crypto';
import type { Content } from '@agentmesh/crypto';
import type { AgentContext } from '../agent-context.js';
import { readBody } from '../conversation/body.js';
import { hasCome, withCome } from '../conversation/former-heard.js';
import { isAmong } from '../conversation/former-talk.js';
import type { SaidBefore } from '../conversation/former-talk.js';
import { loadPeer, loadPresentPeer } from '../conversation/handshake.js';
import type { Received } from '../conversation/judge.js';
import type { Peer } from '../conversation/peer.js';
import type { Introductions } from '../peers/introductions.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import type { Batch } from './arrivals.js';

/** What belongs to the message that holds it. */
const NOTHING_ELSE = {
  isNew: false,
  lost: [],
  acknowledged: 0,
  acknowledgedEarlier: [],
  droppedKeys: 0,
  instanceChanged: false,
  wentBack: null,
  prekeys: null,
} as const;

interface UnfoldParts {
  readonly context: AgentContext;
  readonly introductions: Introductions;
}

/** The message that another one holds, as if it had come as it was said first. */
export interface Unfolded {
  readonly received: Received;
  readonly isPerhapsRepeated: boolean;
}

/** Judges it. Rejects with what may pass where the hub has to be asked and cannot be now. */
export async function unfold(
  { context, introductions }: UnfoldParts,
  { batch, tx }: { readonly batch: Batch; readonly tx: StoreTransaction },
  { received, before }: { readonly received: Received; readonly before: SaidBefore },
): Promise<Unfolded> {
  const { speaker, to, said } = before;
  const isPresent = equalBytes(speaker, received.peer.identity.aid);
  // The one after before the one before, as wherever two of one peer are taken.
  if (!isPresent) await batch.lock(context.peers, speaker);
  const known = await loadPeer(tx, speaker);
  if (known !== null && !(await isOf(tx, known, received.peer)))
    throw new CryptoError('BAD_CONTENT');
  const meet = (): Promise<Peer | null> =>
    meetFormer(introductions, { batch, tx }, received, speaker);
  const peer = known ?? (await meet());
  const me = context.self.authorFor(to);
  const { msgId, peerAck, logSize, logHead, fromName, toName } = received.content;
  const around = { msgId, peerAck, logSize, logHead, fromName, toName };
  const whole = { ...received, ...NOTHING_ELSE, ...withContent({ ...around, ...said }) };
  const { convSeq: number, instance, boot } = said;
  if (peer === null || me === null) {
    return { received: { ...whole, mark: number }, isPerhapsRepeated: true };
  }
  const place = { key: { since: me.meta.since, instance }, heard: { number, msgId } };
  const isKnown = await hasCome(tx, peer, place);
  const taken = isKnown ? { peer, mark: 0 } : await withCome(tx, peer, { ...place, boot });
  const numbered = { ...taken, repeated: isKnown, trust: peer.trust };
  const { numbersSince: epoch } = me.meta;
  return { received: { ...whole, ...numbered, epoch }, isPerhapsRepeated: false };
}

function withContent(content: Content): Pick<Received, 'content' | 'contentBytes' | 'body'> {
  return { content, contentBytes: encodeContent(content), body: readBody(content) };
}

/** Whether an identity is the peer's, or one that it has followed. */
async function isOf(tx: StoreTransaction, known: Peer, { identity, formerly }: Peer) {
  const { aid } = known.identity;
  if (equalBytes(aid, identity.aid) || isAmong(aid, formerly)) return true;
  const present = await loadPresentPeer(tx, aid);
  return present !== null && equalBytes(present.identity.aid, identity.aid);
}

/** An identity that the peer had for too short a time to be known here; null if it is none. */
async function meetFormer(
  introductions: Introductions,
  { batch, tx }: { readonly batch: Batch; readonly tx: StoreTransaction },
  { content }: Received,
  speaker: Uint8Array,
): Promise<Peer | null> {
  batch.met.push(speaker);
  try {
    return await introductions.meetSender(tx, content.fromName, speaker);
  } catch (error) {
    const isOpen = !(error instanceof AgentMeshError) || error.retryable;
    if (isOpen) throw error;
    return null;
  }
}
