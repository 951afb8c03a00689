/**
 * A request in the hands of a plain handler or a mailbox. Owns that its deadline holds there, too:
 * nobody waits for an answer any more.
 */
import type { AgentContext } from '../agent-context.js';
import { AgentError } from '../ground/errors.js';
import type { InboxEntry } from './waiting-messages.js';

/**
 * At the deadline of a request its handlers are told to stop; the returned function cancels that.
 * Throws REFUSED after it.
 */
export function startDeadline(
  { runtime, hubClock }: AgentContext,
  { ask }: NonNullable<InboxEntry['request']>,
  controller: AbortController,
): () => void {
  const leftMs = hubClock.toOurs(ask.byMs) - runtime.now();
  if (leftMs <= 0) throw new AgentError('REFUSED', 'DEADLINE: it never ran');
  return runtime.schedule(leftMs, () => controller.abort(new AgentError('DEADLINE')));
}
