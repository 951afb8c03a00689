/**
 * The end of an agent that is closed: what was begun is completed within a few seconds, then hub
 * and store are let go of. Owns the two steps of a close that was called by a handler, which cannot
 * end before it has an answer.
 */
import type { AgentContext } from '../agent-context.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import type { Dispatcher } from '../receiving/dispatcher.js';

/** The end of an agent, in two steps. */
export interface Closing {
  /** All is done but what the handler does in which it was called. */
  readonly begun: Promise<void>;
  readonly ended: Promise<void>;
}

/** What ends. */
interface Subject {
  readonly context: AgentContext;
  readonly dispatcher: Dispatcher;
}

/** How it ends. */
interface Steps {
  readonly flush: () => Promise<void>;
  readonly letGo: () => Promise<void>;
}

/** Begins the end. `isInside`: called by a handler. */
export function closingOf(subject: Subject, isInside: boolean, steps: Steps): Closing {
  const { keepAlive } = subject.context;
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  const end = async (): Promise<void> => {
    await (isInside ? endAround(subject, steps, resolve) : endAll(subject, steps));
    resolve();
    await steps.letGo();
  };
  const ended = keepAlive.during(end()).finally(() => keepAlive.end());
  return { begun, ended };
}

/** Handlers run until nothing waits that can be handled. */
async function endAll({ context, dispatcher }: Subject, { flush }: Steps): Promise<void> {
  await within(context, async () => {
    await dispatcher.drain();
    await flush();
  });
  context.refuseCalls();
}

/** No handler begins any more; the one that called counts as it ends. */
async function endAround(
  { context, dispatcher }: Subject,
  { flush }: Steps,
  begun: () => void,
): Promise<void> {
  const handled = dispatcher.finish();
  await within(context, flush);
  context.refuseCalls();
  begun();
  await within(context, async () => {
    await handled;
    await flush();
  });
}

/** Waits for a task, but not longer than `drainMs`. */
async function within({ runtime }: AgentContext, task: () => Promise<void>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const cancel = runtime.schedule(AGENT_LIMITS.drainMs, resolve);
  // A failing store has stopped the agent and says so itself.
  await Promise.race([Promise.allSettled([task()]), late]);
  cancel();
}
