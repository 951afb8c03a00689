/**
 * How a request of ours ended, as whoever waits for it is told. Owns the reading of a stored end;
 * when it is stored is `outgoing-calls`'.
 */
import { CALL_FRAME, CONTENT_KIND, encodeCallFrames, fromHex } from '@agentmesh/crypto';
import { decodePayload } from '@agentmesh/protocol';
import type { JsonObject } from '@agentmesh/protocol';
import type { Draft } from '../conversation/compose.js';
import { reasonOf } from '../conversation/outcome.js';
import { AgentError, isAgentErrorCode } from '../ground/errors.js';
import type { AgentErrorCode } from '../ground/errors.js';
import { readEnd } from '../message/ask.js';
import { valueOf } from '../message/payload.js';
import type { CallEnd, CallRow } from './call-row.js';
import { RemoteError } from './remote-error.js';

/** The error for an outcome that is no answer. */
export const OUTCOME_CODES = {
  refused: 'REFUSED',
  failed: 'FAILED',
  cancelled: 'CANCELLED',
  unsupported: 'UNSUPPORTED',
} as const;

/** What whoever waits is told of a stored end. */
export function outcomeOf(peer: string, { body, code, message }: CallEnd): Told {
  if (body === null) {
    const known = isAgentErrorCode(code) ? code : 'FAILED';
    return { error: new AgentError(known, message === '' ? undefined : message) };
  }
  const payload = decodePayload(body);
  const end = readEnd(payload);
  if (end !== null && 'error' in end) return { error: new RemoteError(peer, end.error) };
  return { value: valueOf(payload) as JsonObject };
}

/** What whoever waits is told. */
export type Told = { readonly error: Error } | { readonly value: JsonObject };

/** Tells the callee that nobody waits any more. */
export function cancelDraft(id: string, reason: string): Draft {
  const data = new TextEncoder().encode(reasonOf(reason));
  const frame = { callId: fromHex(id), what: CALL_FRAME.cancel, run: 0, at: 0, data };
  return { kind: CONTENT_KIND.callFrames, body: encodeCallFrames([frame]) };
}

/** Null, or why it failed. Nothing that waits for this keeps an answer from being kept. */
export function endOf(promise: Promise<unknown>): Promise<Error | null> {
  return promise.then(
    () => null,
    (error: unknown) => (error instanceof Error ? error : new AgentError('FAILED')),
  );
}

/** How a request ends that is not sent any more, or was refused; `reason` is of its `outgoing`. */
export function undelivered(
  { row, isLate }: { readonly row: CallRow; readonly isLate: boolean },
  reason: string | null,
  nowMs: number,
): { readonly code: AgentErrorCode; readonly message: string } {
  // The time of its envelope is longer than that of its caller.
  const isOver = isLate || reason === 'EXPIRED_UNSENT' || nowMs >= row.byMs;
  if (isOver) return { code: 'DEADLINE', message: '' };
  return { code: isAgentErrorCode(reason) ? reason : 'UNDELIVERED', message: reason ?? '' };
}
