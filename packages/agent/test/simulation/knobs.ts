/**
 * Rare branches made common (BUGGIFY): one run's limits, drawn from its chance. Owns which limits
 * are lowered, and to what. The agent's are its own table, so one run at a time may have them.
 */
import type { CoreLimits } from '@agentmesh/hub-local';
import { AGENT_LIMITS } from '../../src/ground/limits.js';
import type { Chance } from './chance.js';

type AgentLimits = { -readonly [Name in keyof typeof AGENT_LIMITS]: number };

/** What a run's chance decided. */
export interface Knobs {
  readonly agent: Partial<AgentLimits>;
  readonly hub: Partial<CoreLimits>;
  /** How often a handler throws. */
  readonly handlerFailures: number;
}

/** Each limit is low in a part of the runs only: combinations matter. */
export function drawKnobs(chance: Chance): Knobs {
  const some = <T>(share: number, limits: T): Partial<T> => (chance.flip(share) ? limits : {});
  const oneTimePrekeys = chance.pick([1, 2, 4, 8]);
  return {
    agent: {
      // Few keys: they are a run's main cost, and running out of them is the rare branch.
      oneTimePrekeys,
      oneTimeRefill: Math.min(oneTimePrekeys - 1, chance.below(3)),
      ...some(0.3, { commitMessages: chance.pick([1, 2]) }),
      ...some(0.3, { inFlight: chance.pick([1, 2]) }),
      ...some(0.3, { receiptMessages: 2 }),
      ...some(0.2, { sessionMessages: chance.pick([2, 5]) }),
      ...some(0.2, { retryMessages: 2 }),
      ...some(0.2, { handshakesPerMinute: 2 }),
      ...some(0.2, { inboxMessages: 2 }),
      ...some(0.1, { outboxMessages: 2 }),
      ...some(0.2, { handlerAttempts: 2 }),
    },
    hub: {
      ...some(0.3, { commitEnvelopes: 1 }),
      ...some(0.2, { initialCreditMessages: 40 }),
      ...some(0.2, { pageMessages: 1 }),
      ...some(0.2, { inFlight: 2 }),
      ...some(0.1, { queueMessages: 8 }),
      ...some(0.1, { oneTimeFetchesPerPairPerMinute: 1 }),
    },
    handlerFailures: chance.pick([0, 0, 0.1, 0.5]),
  };
}

/** Quotas of a hub that is much too small: they refuse some of what is in flight. */
export function drawQuotas(chance: Chance): Partial<CoreLimits> {
  const some = <T>(share: number, limits: T): Partial<T> => (chance.flip(share) ? limits : {});
  return {
    ...some(0.2, { queueMessages: chance.pick([2, 4, 100]) }),
    ...some(0.2, { queueBytes: chance.pick([64_000, 200_000]) }),
    ...some(0.2, { queueShareOfOneSender: chance.pick([0.1, 0.2]) }),
    ...some(0.15, { sendsPerSecond: 2, sendBurst: chance.pick([2, 5]) }),
    ...some(0.15, { deliveryAttempts: chance.pick([3, 6]) }),
    ...some(0.15, { refusedBurst: 5 }),
    ...some(0.15, { sweepSize: 1 }),
    ...some(0.1, { pendingRequests: 1 }),
  };
}

/** Lowers the agent's limits; returns what puts them back. */
export function applyKnobs({ agent }: Knobs): () => void {
  const table = AGENT_LIMITS as AgentLimits;
  const before = { ...table };
  Object.assign(table, agent);
  return () => void Object.assign(table, before);
}
