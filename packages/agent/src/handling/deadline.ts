/**
 * The deadline of a request, whoever handles it: a handler of requests, a plain one, or a mailbox.
 * Owns how its handlers are told to stop then: nobody waits for an answer any more.
 */
import type { AgentContext } from '../agent-context.js';
import { AgentError } from '../ground/errors.js';
import type { Runtime } from '../ground/runtime.js';
import type { InboxEntry } from './waiting-messages.js';

/** Aborts with DEADLINE at this time by our clock; the returned function cancels that. */
export function abortAt(runtime: Runtime, byMs: number, controller: AbortController): () => void {
  const leftMs = Math.max(0, byMs - runtime.now());
  return runtime.schedule(leftMs, () => controller.abort(new AgentError('DEADLINE')));
}

/** The same for what a plain handler or a mailbox has. Throws REFUSED after the deadline. */
export function startDeadline(
  { runtime, hubClock }: AgentContext,
  { ask }: NonNullable<InboxEntry['request']>,
  controller: AbortController,
): () => void {
  const byMs = hubClock.toOurs(ask.byMs);
  if (byMs <= runtime.now()) throw new AgentError('REFUSED', 'DEADLINE: it never ran');
  return abortAt(runtime, byMs, controller);
}
