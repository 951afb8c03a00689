/**
 * A message of the application on its way out: what is said, what is written with it, and how long
 * anybody needs it. Owns the options of `send` and what they mean for a promise.
 */
import type { Peer } from '../conversation/peer.js';
import { durationMs } from '../ground/duration.js';
import { AgentError } from '../ground/errors.js';
import type { Runtime } from '../ground/runtime.js';
import type { SendOptions, SendResult } from '../message/message.js';
import type { StoreOperation } from '../store/store.js';
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
 * Waits for a posted message, but no longer than its options say; `withdraw` takes it back then.
 * Rejects with TIMEOUT or CANCELLED, or like `accepted`.
 */
export async function whenAccepted(
  posted: Posted,
  options: SendOptions,
  means: {
    readonly runtime: Runtime;
    readonly withdraw: (envelopeId: Uint8Array, reason: AgentError) => Promise<boolean>;
  },
): Promise<SendResult> {
  const { signal, timeout } = options;
  if (signal === undefined && timeout === undefined) {
    await posted.accepted;
    return posted.result;
  }
  const { promise: over, reject } = Promise.withResolvers<never>();
  let ended: AgentError | null = null;
  const end = (code: 'TIMEOUT' | 'CANCELLED'): void => {
    const error = new AgentError(code, undefined, signal?.reason);
    ended ??= error;
    void means
      .withdraw(posted.envelopeId, new AgentError('CANCELLED'))
      .finally(() => reject(error));
  };
  const onAbort = (): void => end('CANCELLED');
  const delayMs = timeout === undefined ? null : durationMs(timeout, 'timeout');
  const cancel = delayMs === null ? null : means.runtime.schedule(delayMs, () => end('TIMEOUT'));
  if (signal?.aborted === true) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([posted.accepted, over]);
    return posted.result;
  } catch (error) {
    // What was withdrawn tells why, and not that it was.
    throw ended ?? error;
  } finally {
    cancel?.();
    signal?.removeEventListener('abort', onAbort);
  }
}
