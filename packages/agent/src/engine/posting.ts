/**
 * The way of a message of the application into the outbox: whether anything can be said now, and
 * what its sender waits for. Owns these checks; the commit is `sending`'s.
 */
import { AgentError } from '../ground/errors.js';
import type { SendOptions, SendResult } from '../message/message.js';
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

/** Sends a body; resolves when the hub has it durably, or as its options say. */
export async function send(
  parts: PostingParts,
  to: Uint8Array,
  body: Uint8Array,
  options: SendOptions,
): Promise<SendResult> {
  if (options.signal?.aborted === true) {
    throw new AgentError('CANCELLED', undefined, options.signal.reason);
  }
  const posted = await post(parts, to, { body, ttlMs: ttlMsOf(options) });
  options.onStored?.(posted.result.id);
  const { context, transmitter } = parts;
  return whenAccepted(posted, options, {
    runtime: context.runtime,
    withdraw: (envelopeId, reason) => transmitter.withdraw(envelopeId, reason),
  });
}

/** Answers a message; resolves when the answer is committed, however long the hub takes. */
export async function reply(
  parts: PostingParts,
  to: Uint8Array,
  body: Uint8Array,
): Promise<SendResult> {
  assertMaySend(parts, to);
  await parts.contacts.answeredTo(to);
  const { result } = await parts.sender.post(to, { body });
  return result;
}
