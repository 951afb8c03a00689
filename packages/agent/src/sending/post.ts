/**
 * A message of the application on its way out: what is said, what is written with it, and how long
 * anybody needs it. Owns the options of `send` and what they mean for a promise.
 */
import type { Peer } from '../conversation/peer.js';
import { durationMs } from '../ground/duration.js';
import { AgentError } from '../ground/errors.js';
import type { SendOptions, SendResult } from '../message/message.js';
import type { StoreOperation } from '../store/store.js';
import type { Patience } from './patience.js';
import { PROTOCOL_LIMITS } from '@agentmesh/protocol';

/** What is to be committed with one message. */
export interface Post {
  readonly body: Uint8Array;
  /** 16 random bytes each, where they have to be known before. */
  readonly msgId?: Uint8Array | undefined;
  readonly envelopeId?: Uint8Array | undefined;
  /** Default: 7 days. */
  readonly ttlMs?: number | undefined;
  /** What the same commit writes and deletes, once it is known to whom the message goes. */
  readonly writes?: ((peer: Peer) => readonly StoreOperation[]) | undefined;
  /** Aborted when it is not to be said any more, with the reason. */
  readonly signal?: AbortSignal | undefined;
}

/** A message that is committed. */
export interface Posted {
  readonly result: SendResult;
  readonly envelopeId: Uint8Array;
  /** Fulfilled when the hub has it durably. Rejections are never unhandled. */
  readonly accepted: Promise<void>;
}

const LONGEST_TTL_MS = PROTOCOL_LIMITS.maxTtlSeconds * 1000;

/** `ttl` in milliseconds; throws BAD_OPTION. */
export function ttlMsOf({ ttl }: Pick<SendOptions, 'ttl'>): number | undefined {
  if (ttl === undefined) return undefined;
  const ms = durationMs(ttl, 'ttl');
  if (ms > LONGEST_TTL_MS) throw new AgentError('BAD_OPTION', 'ttl: at most 30 days');
  return ms;
}

/**
 * Waits for a posted message, but no longer than its sender does; `withdraw` takes it back then.
 * Rejects with TIMEOUT or CANCELLED, or like `accepted`.
 */
export async function whenAccepted(
  { accepted, envelopeId, result }: Posted,
  { signal, until }: Patience,
  withdraw: (envelopeId: Uint8Array, reason: AgentError) => Promise<boolean>,
): Promise<SendResult> {
  try {
    await until(accepted);
    return result;
  } catch (error) {
    if (!signal.aborted) throw error;
    const isBack = await withdraw(envelopeId, new AgentError('CANCELLED'));
    // What was withdrawn tells why, and not that it was.
    throw isBack ? signal.reason : mayArrive(signal.reason, result.id);
  }
}

/** It is not known here any more whether the hub has the message. */
function mayArrive(reason: unknown, id: string): unknown {
  if (!(reason instanceof AgentError)) return reason;
  const detail = `message ${id} may still arrive: outgoing tells what becomes of it`;
  return new AgentError(reason.code, detail, reason.cause);
}
