/**
 * A message of the outbox on its way to the hub, as the transmitter holds it. Owns what is known of
 * it beside its row: how long it is wanted, and whether the hub may have it already.
 */
import type { AgentMeshError } from '@agentmesh/crypto';
import { PROTOCOL_LIMITS, ProtocolError } from '@agentmesh/protocol';
import type { OutboxRow } from './outbox.js';

/** A committed outbox row on its way. */
export interface OutboxEntry {
  readonly key: string;
  readonly to: Uint8Array;
  readonly envelopeId: Uint8Array;
  readonly bytes: number;
  /** When nobody needs it any more, by our clock; 0: never. */
  readonly expiresMs: number;
  /** When it was put into the outbox, by our clock; 0: not known. */
  readonly sinceMs: number;
  /**
   * Whether the hub may have it although it has not said so: it was sent, and its answer lost, or
   * an earlier run may have sent it.
   */
  readonly mayBeThere?: boolean;
  /**
   * Called once: accepted by the hub (null), refused for good, or, with `stays`, not sent by this
   * run any more although its row stays. Not for rows of an earlier run.
   */
  readonly settle: ((refusal: AgentMeshError | null, stays?: 'stays') => void) | null;
}

/** What a hub says of an envelope that it has not taken; after all else it may have it. */
const NOT_TAKEN: ReadonlySet<string> = new Set(['QUEUE_FULL', 'RATE_LIMITED', 'LIMIT', 'BLOCKED']);

/** There was no connection to send it over. */
export const NOT_SENT = new ProtocolError('CONNECTION_LOST');

/** The entry after a try that failed for now. */
export function afterTry(entry: OutboxEntry, error: AgentMeshError): OutboxEntry {
  return error === NOT_SENT || NOT_TAKEN.has(error.code) ? entry : { ...entry, mayBeThere: true };
}

/** A row of an earlier run, on its way again. */
export function entryOf(key: string, row: OutboxRow): OutboxEntry {
  const { to, envelopeId, expiresMs, sinceMs, blob } = row;
  return {
    key,
    to,
    envelopeId,
    bytes: blob.length,
    expiresMs,
    sinceMs,
    settle: null,
    mayBeThere: true,
  };
}

/** Whether nobody needs it any more. */
export function isExpired({ expiresMs }: OutboxEntry, nowMs: number): boolean {
  return expiresMs !== 0 && expiresMs <= nowMs;
}

/** What is left of a message's time, as the hub wants it. */
export function ttlOf(expiresMs: number, nowMs: number): number {
  const { defaultTtlSeconds, maxTtlSeconds } = PROTOCOL_LIMITS;
  if (expiresMs === 0) return defaultTtlSeconds;
  return Math.min(maxTtlSeconds, Math.max(1, Math.ceil((expiresMs - nowMs) / 1000)));
}
