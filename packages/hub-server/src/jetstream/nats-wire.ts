/**
 * The questions and answers of JetStream that come by the thousand: headers of an append, its
 * acknowledgement, a removal. Owns their text; NATS is trusted to answer in its own shapes.
 */
import type { MsgHdrs } from '@nats-io/transport-node';
import { NOTE_HEADER } from './layout.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** JetStream refused; `code` is its `err_code`. */
class JetStreamRefusal extends Error {
  override readonly name = 'JetStreamRefusal';
  readonly code: number;

  constructor({ err_code: code, description }: RefusalShape) {
    super(description);
    this.code = code;
  }
}

interface RefusalShape {
  readonly err_code: number;
  readonly description: string;
}

interface AnswerShape {
  readonly seq?: number;
  readonly duplicate?: boolean;
  readonly success?: boolean;
  readonly error?: RefusalShape;
}

/**
 * What goes with a message that is to be kept. The client only encodes it: its own headers check
 * and look up each field several times, for every envelope.
 */
export function publishHeaders(head: {
  readonly expected?: number | undefined;
  readonly id?: string | undefined;
  readonly note?: string | undefined;
}): MsgHdrs {
  const { expected, id, note } = head;
  let text = 'NATS/1.0\r\n';
  if (expected !== undefined) text += `Nats-Expected-Last-Subject-Sequence: ${expected}\r\n`;
  if (id !== undefined) text += `Nats-Msg-Id: ${id}\r\n`;
  if (note !== undefined) text += `${NOTE_HEADER}: ${note}\r\n`;
  const encoded = { encode: () => encoder.encode(`${text}\r\n`) };
  return encoded as unknown as MsgHdrs;
}

/** That a message is kept; throws {@link JetStreamRefusal}. */
export function ackIn(data: Uint8Array): { readonly seq: number; readonly duplicate: boolean } {
  const { seq = 0, duplicate = false } = answerIn(data);
  return { seq, duplicate };
}

/** Without erasing: overwriting deleted bytes costs a write and guards nothing here. */
export function removalOf(
  stream: string,
  seq: number,
): { readonly subject: string; readonly question: Uint8Array } {
  const question = encoder.encode(`{"seq":${seq},"no_erase":true}`);
  return { subject: `$JS.API.STREAM.MSG.DELETE.${stream}`, question };
}

/** Whether it was that removal; throws {@link JetStreamRefusal}. */
export function wasRemoved(data: Uint8Array): boolean {
  return answerIn(data).success === true;
}

function answerIn(data: Uint8Array): AnswerShape {
  const answer = JSON.parse(decoder.decode(data)) as AnswerShape;
  if (answer.error !== undefined) throw new JetStreamRefusal(answer.error);
  return answer;
}
