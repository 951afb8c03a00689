/**
 * Waiting for a peer that is not on the hub yet: it is asked for again, each time after twice the
 * wait. Owns which refusals mean that, and how long it goes on.
 */
import { AgentMeshError } from '@agentmesh/crypto';
import type { AgentContext } from '../agent-context.js';
import { durationMs } from '../ground/duration.js';
import type { Duration } from '../ground/duration.js';
import { AGENT_LIMITS } from '../ground/limits.js';

/** What the hub says of a peer that has not started, or is just about to publish its keys. */
const ABSENT: ReadonlySet<string> = new Set(['PEER_NOT_FOUND', 'NO_PREKEYS']);

/** Looks for a peer until it is there, for at most so long; rejects with the last refusal. */
export function whenThere<T>(
  context: AgentContext,
  wait: Duration | undefined,
  find: () => Promise<T>,
): Promise<T> {
  const limitMs = typeof wait === 'string' ? durationMs(wait, 'waitForPeer') : (wait ?? 0);
  const untilMs = context.waits() + limitMs;
  return untilThere(context, () => untilMs, find);
}

/** The same with an end that may still move. */
export async function untilThere<T>(
  context: AgentContext,
  untilMs: () => number,
  find: () => Promise<T>,
): Promise<T> {
  for (let waitMs: number = AGENT_LIMITS.peerWaitMs; ; waitMs *= 2) {
    try {
      return await find();
    } catch (error) {
      const leftMs = untilMs() - context.waits();
      const mayCome = error instanceof AgentMeshError && ABSENT.has(error.code);
      if (!mayCome || leftMs <= 0) throw error;
      const { keepAlive, pauses } = context;
      const delayMs = Math.min(waitMs, AGENT_LIMITS.peerWaitMaxMs, leftMs);
      await keepAlive.during(pauses.pause(delayMs));
      context.assertRunning();
    }
  }
}
