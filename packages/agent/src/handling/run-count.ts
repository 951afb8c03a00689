/**
 * How many runs of a message count, as its row keeps it: those that may have ended a process, one
 * after the other. Owns this number in the row; what is done beyond a bound is `dispatcher`'s.
 */
import { toHex } from '@agentmesh/crypto';
import type { AgentContext } from '../agent-context.js';
import { encodeInboxRow } from '../message/inbox.js';
import type { Waiting } from './waiting-messages.js';

/** Keeps the runs of a message, unless its row is gone, such as that of a cancelled request. */
export function keepRuns(context: AgentContext, { entry, attempts }: Waiting): Promise<void> {
  const { key, row } = entry;
  // What ends it has this lock, too: one after the other, or the row would come back.
  return context.peers.run(toHex(row.from), async () => {
    if ((await context.store.get(key)) === null) return;
    await context.store.commit([{ put: key, value: encodeInboxRow({ ...row, attempts }) }]);
  });
}

/** A run begins of a message that an earlier opening has left. */
export function countRun(context: AgentContext, item: Waiting): Promise<void> {
  item.isCounted = true;
  return keepRuns(context, item);
}

/** A run has got on, and so much is kept of it: it is the first one again. */
export function countAnew(context: AgentContext, item: Waiting): void {
  if (!item.isCounted || item.attempts <= 1) return;
  item.attempts = 1;
  void keepRuns(context, item).catch(nothing);
}

/** The agent ends: where it ends in order, that is no run that ended the process. */
export function endRun(context: AgentContext, item: Waiting, reason: Error): void {
  item.controller?.abort(reason);
  if (!item.isCounted || context.store.failure !== null) return;
  item.attempts -= 1;
  void keepRuns(context, item).catch(nothing);
}

function nothing(): void {
  // A store that fails has stopped the agent and says so itself.
}
