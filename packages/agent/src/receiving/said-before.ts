/**
 * A message of a conversation of former identities that comes in the present one (protocol.md
 * §2.13). Owns finding whose it is and whether it has come before; what becomes of it then is that
 * of every message.
 */
import { CryptoError, encodeContent, equalBytes } from '@agentmesh/crypto';
import type { AgentContext } from '../agent-context.js';
import { readBody } from '../conversation/body.js';
import { hasCome, withCome } from '../conversation/former-heard.js';
import { isAmong } from '../conversation/former-talk.js';
import { loadPeer } from '../conversation/handshake.js';
import type { Received } from '../conversation/judge.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import type { Batch } from './arrivals.js';

/** The message that another one holds, as if it had come as it was said first. */
export interface Unfolded {
  readonly received: Received;
  readonly isPerhapsRepeated: boolean;
}

/** Judges it; null where a message holds none, or has come before itself. */
export async function unfold(
  context: AgentContext,
  { batch, tx }: { readonly batch: Batch; readonly tx: StoreTransaction },
  received: Received,
): Promise<Unfolded | null> {
  const { body, peer: present, repeated } = received;
  if (body.kind !== 'saidBefore' || repeated) return null;
  const { speaker, to, said } = body.before;
  const isPresent = equalBytes(speaker, present.identity.aid);
  if (!isPresent && !isAmong(speaker, present.formerly)) throw new CryptoError('BAD_CONTENT');
  // The one after before the one before, as wherever two of one peer are taken.
  if (!isPresent) await batch.lock(context.peers, speaker);
  const known = await loadPeer(tx, speaker);
  const me = context.self.authorFor(to);
  const { msgId, peerAck, logSize, logHead, fromName, toName } = received.content;
  const around = { msgId, peerAck, logSize, logHead, fromName, toName };
  const content = { ...around, ...said };
  const whole = {
    ...received,
    content,
    contentBytes: encodeContent(content),
    body: readBody(content),
    isNew: false,
    lost: [],
    acknowledged: 0,
    acknowledgedEarlier: [],
    droppedKeys: 0,
    instanceChanged: false,
    wentBack: null,
    prekeys: null,
  };
  const { convSeq: number, instance, boot } = said;
  if (known === null || me === null) {
    return { received: { ...whole, mark: number }, isPerhapsRepeated: true };
  }
  const place = { key: { since: me.meta.since, instance }, heard: { number, msgId } };
  const isKnown = await hasCome(tx, known, place);
  const taken = isKnown ? { peer: known, mark: 0 } : await withCome(tx, known, { ...place, boot });
  const numbered = { ...taken, repeated: isKnown, trust: known.trust };
  const { numbersSince: epoch } = me.meta;
  return { received: { ...whole, ...numbered, epoch }, isPerhapsRepeated: false };
}
