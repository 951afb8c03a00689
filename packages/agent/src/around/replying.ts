/**
 * Answers to messages: on their way from the message that they answer, wherever the program gives
 * them. Owns what a reply says of its way; sending it is `posting`'s.
 */
import { addressOf, decodeContent, toHex } from '@agentmesh/crypto';
import { decodePayload } from '@agentmesh/protocol';
import { reply } from '../engine/posting.js';
import type { PostingParts } from '../engine/posting.js';
import { toldIn } from '../handling/waiting-messages.js';
import type { InboxRow } from '../message/inbox.js';
import type { ReplyOptions, SendResult } from '../message/message.js';
import { exactBody, messageBody, replyToMember } from '../message/payload.js';
import { NO_WAY, wayMember } from '../message/way.js';
import type { Around } from './around.js';

/** Sends what `msg.reply` was given. */
export async function replyTo(
  { around, parts }: { readonly around: Around; readonly parts: PostingParts },
  row: InboxRow,
  content: string | object,
  { auto, exact = false, signal }: ReplyOptions = {},
): Promise<SendResult> {
  const { msgId, fromName, body } = decodeContent(row.content);
  const { request, way: answered } = toldIn(msgId, decodePayload(body));
  const sender = addressOf(row.from);
  // The answer to a request leads nowhere: it ends there.
  const way = request === null ? around.nextWay(auto, { way: answered, sender }) : NO_WAY;
  const { isAutomatic, trace: before } = way;
  const leaving = { kind: 'reply', peer: fromName, payload: content, op: null } as const;
  return around.send({ ...leaving, auto: isAutomatic, trace: before }, async (payload, trace) => {
    const id = toHex(msgId);
    const members = wayMember({ ...way, trace });
    const answer = exact
      ? exactBody(payload, { ...replyToMember(id), ...members })
      : messageBody(payload, id, members);
    if (request === null) around.loops.sending(row.from, way, false);
    return reply(parts, row.from, answer, { signal });
  });
}
