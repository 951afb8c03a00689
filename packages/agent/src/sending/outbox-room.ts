/**
 * How much of the outbox one recipient may fill, and for how long: the rule, as functions of what
 * waits. Owns the arithmetic; what waits is the transmitter's.
 */
import { PROTOCOL_LIMITS } from '@agentmesh/protocol';
import { AGENT_LIMITS } from '../ground/limits.js';

/** Messages, and the bytes of them. */
export interface OutboxLoad {
  readonly messages: number;
  readonly bytes: number;
}

/**
 * Messages to one peer may fill a third of the room that is left: a quarter of the outbox where
 * only that peer does not read. However many do not, there is some left for the next one.
 */
const SHARE_OF_ROOM = 1 / 3;

/** Whether nothing more can wait for one recipient, for whom `own` waits of all. */
export function isOutboxFull(total: OutboxLoad, own: OutboxLoad | undefined): boolean {
  const room = AGENT_LIMITS.outboxMessages - total.messages;
  const roomBytes = AGENT_LIMITS.outboxBytes - total.bytes;
  if (room <= 0 || roomBytes <= 0) return true;
  // For whom nothing waits, there is a place as long as there is one at all.
  if (own === undefined || own.messages === 0) return false;
  return own.messages >= room * SHARE_OF_ROOM || own.bytes >= roomBytes * SHARE_OF_ROOM;
}

/** What is left of a message's time, as the hub wants it. */
export function ttlOf(expiresMs: number, nowMs: number): number {
  const { defaultTtlSeconds, maxTtlSeconds } = PROTOCOL_LIMITS;
  if (expiresMs === 0) return defaultTtlSeconds;
  return Math.min(maxTtlSeconds, Math.max(1, Math.ceil((expiresMs - nowMs) / 1000)));
}
