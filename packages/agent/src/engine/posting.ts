/**
 * The way of a message of the application into the outbox: whether anything can be said now, and
 * what its sender waits for. Owns these checks; the commit is `sending`'s.
 */
import { AgentError } from '../ground/errors.js';
import type { ReplyOptions, SendOptions, SendResult } from '../message/message.js';
import { patienceOf } from '../sending/patience.js';
import type { Patience } from '../sending/patience.js';
import { ttlMsOf, whenAccepted } from '../sending/post.js';
import type { Post, Posted } from '../sending/post.js';
import type { AgentContext } from '../agent-context.js';
import type { Contacts } from '../receiving/contacts.js';
import type { HubLink } from '../hub/hub-link.js';
import type { Sender } from '../sending/sender.js';
import type { Transmitter } from '../sending/transmitter.js';

/** What carries a message into the outbox. */
export interface PostingParts {
  readonly context: AgentContext;
  /** Null without a hub. */
  readonly hub: { readonly link: HubLink } | null;
  readonly sender: Sender;
  readonly transmitter: Transmitter;
  readonly contacts: Pick<Contacts, 'answeredTo' | 'writtenTo'>;
}

/** Throws where nothing can be said to this peer: NO_HUB, CLOSED, BACKPRESSURE or an end. */
export function assertMaySend({ context, hub, transmitter }: PostingParts, to: Uint8Array): void {
  context.assertRunning();
  if (hub === null) throw new AgentError('NO_HUB');
  if (hub.link.ended !== null) throw hub.link.ended;
  if (transmitter.isFullFor(to)) throw new AgentError('BACKPRESSURE');
}

/** Commits a message to a peer who is one already. */
export async function post(parts: PostingParts, to: Uint8Array, message: Post): Promise<Posted> {
  assertMaySend(parts, to);
  await parts.contacts.writtenTo(to);
  return parts.sender.post(to, message);
}

/** Sends a body; resolves when the hub has it durably, or as its sender's patience ends. */
export async function send(
  parts: PostingParts,
  to: Uint8Array,
  body: Uint8Array,
  { options, patience }: { readonly options: SendOptions; readonly patience: Patience },
): Promise<SendResult> {
  const { signal } = patience;
  const posted = await post(parts, to, { body, ttlMs: ttlMsOf(options), signal });
  options.onStored?.(posted.result.id);
  const { transmitter } = parts;
  return whenAccepted(posted, patience, (envelopeId, reason) =>
    transmitter.withdraw(envelopeId, reason),
  );
}

/** Answers a message; resolves when the answer is committed, however long the hub takes. */
export async function reply(
  parts: PostingParts,
  to: Uint8Array,
  body: Uint8Array,
  options: Pick<ReplyOptions, 'signal'>,
): Promise<SendResult> {
  assertMaySend(parts, to);
  const patience = patienceOf(options, parts.context.runtime);
  try {
    await parts.contacts.answeredTo(to);
    const { signal } = patience;
    const { result } = await parts.sender.post(to, { body, signal });
    return result;
  } finally {
    patience.end();
  }
}
