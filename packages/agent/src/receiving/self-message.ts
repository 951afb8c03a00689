/**
 * A message to oneself: straight into the inbox, without hub and without sealing (protocol.md
 * §2.9). Owns that short way; from the inbox on it is a message like any other.
 */
import { CONTENT_KIND, encodeContent, toHex } from '@agentmesh/crypto';
import type { AgentContext } from '../agent-context.js';
import type { Deliveries } from '../sending/deliveries.js';
import type { Dispatcher } from './dispatcher.js';
import { encodeInboxRow } from '../message/inbox.js';
import type { InboxRow } from '../message/inbox.js';
import type { SendOptions, SendResult } from '../message/message.js';
import { orderOf } from '../store/row-keys.js';

/** Commits a message to ourselves. */
export async function deliverToSelf(
  {
    context,
    deliveries,
    dispatcher,
  }: {
    readonly context: AgentContext;
    readonly deliveries: Deliveries;
    readonly dispatcher: Dispatcher;
  },
  body: Uint8Array,
  { onStored }: Pick<SendOptions, 'onStored'>,
): Promise<SendResult> {
  const { self, runtime, name } = context;
  const msgId = runtime.random(16);
  const content = encodeContent({
    kind: CONTENT_KIND.application,
    msgId,
    sentAtMs: runtime.now(),
    convSeq: 0,
    peerAck: 0,
    instance: self.meta.instance,
    boot: self.meta.boot,
    logSize: 0,
    logHead: new Uint8Array(32),
    fromName: name,
    toName: name,
    body,
  });
  const receivedMs = runtime.now();
  const standing = { trust: 'verified', pinnedMs: 0, verifiedBy: 'address' } as const;
  const kept = { receivedMs, attempts: 0, content, proof: null };
  const row: InboxRow = { from: self.aid, ...standing, ...kept };
  const tx = context.transaction();
  const key = context.logs.nextKey('inbox');
  tx.put(key, encodeInboxRow(row));
  await tx.commit();
  const { aid } = self;
  const position = { aid, epoch: 0, number: orderOf(key) };
  const id = toHex(msgId);
  const sent = { ...position, peer: name, id };
  const promises = deliveries.expect(sent, null);
  deliveries.queued(sent);
  onStored?.(id);
  deliveries.acknowledged(aid, position.epoch, position.number);
  dispatcher.addOwn(key, row);
  return { id, ...promises };
}
