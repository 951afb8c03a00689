/**
 * A message that waits to be accepted by the hub: the row with its finished bytes and where they
 * go, what the transmitter holds of it beside, and how much may wait for one recipient. Owns the
 * layout and these rules; sending the bytes, and only them, is `transmitter`'s (protocol.md §2.11
 * P1).
 */
import type { AgentMeshError } from '@agentmesh/crypto';
import { PROTOCOL_LIMITS, ProtocolError } from '@agentmesh/protocol';
import { AgentError } from '../ground/errors.js';
import { AGENT_LIMITS, SHARE_OF_ROOM } from '../ground/limits.js';
import { RowReader, RowWriter } from '../store/row-codec.js';

/** One finished message on its way. */
export interface OutboxRow {
  /** aid of the recipient. */
  readonly to: Uint8Array;
  /** 16 random bytes: by them the hub knows a repetition. */
  readonly envelopeId: Uint8Array;
  /** Its number and our epoch, to find the content that was kept. */
  readonly epoch: number;
  readonly number: number;
  /** When nobody needs it any more, by our clock; 0 for one of a version that wrote no time. */
  readonly expiresMs: number;
  /** When it was put here, by our clock; 0 for one of a version that did not say it. */
  readonly sinceMs: number;
  /** Opening of the store that sealed it; 0 for one of a version that wrote none. */
  readonly boot: number;
  readonly form: OutboxForm;
  /** The finished message; of one that was taken back, its content. */
  readonly blob: Uint8Array;
}

/**
 * `first`: the content was sealed for the first time. `again`: a kept content was sealed once more.
 * `takenBack`: it was sealed where this store may have sealed something else in a time that it has
 * lost, and never left; it is to be sealed anew.
 */
export type OutboxForm = 'first' | 'again' | 'takenBack';

const FORMS: readonly OutboxForm[] = ['first', 'again', 'takenBack'];

/** Version 1 wrote no time, version 2 not when it was put here, version 3 no opening. */
const VERSION = 4;

export function encodeOutboxRow(outbox: OutboxRow): Uint8Array {
  const { to, envelopeId, epoch, number, expiresMs, sinceMs, boot, form, blob } = outbox;
  const row = new RowWriter().u8(VERSION).fixed(to).fixed(envelopeId).u32(epoch).u64(number);
  row.u64(expiresMs).u64(sinceMs).u32(boot).u8(FORMS.indexOf(form));
  return row.bytes(blob).finish();
}

/** Reads a row back; throws STORE_CORRUPT. */
export function decodeOutboxRow(bytes: Uint8Array): OutboxRow {
  const row = new RowReader(bytes, 'outbox');
  const version = row.u8();
  if (version < 1 || version > VERSION) row.fail();
  const to = row.fixed(32);
  const envelopeId = row.fixed(16);
  const epoch = row.u32();
  const number = row.u64();
  const expiresMs = version === 1 ? 0 : row.u64();
  const sinceMs = version < 3 ? 0 : row.u64();
  const boot = version < 4 ? 0 : row.u32();
  const form = version < 4 ? 'first' : (FORMS[row.u8()] ?? row.fail());
  const blob = row.bytes();
  row.end();
  return { to, envelopeId, epoch, number, expiresMs, sinceMs, boot, form, blob };
}

/** Messages, and the bytes of them. */
interface OutboxLoad {
  readonly messages: number;
  readonly bytes: number;
}

/** Whether nothing more can wait for one recipient, for whom `own` waits of all. */
export function isOutboxFull(total: OutboxLoad, own: OutboxLoad | undefined): boolean {
  const room = AGENT_LIMITS.outboxMessages - total.messages;
  const roomBytes = AGENT_LIMITS.outboxBytes - total.bytes;
  if (room <= 0 || roomBytes <= 0) return true;
  // For whom nothing waits, there is a place as long as there is one at all.
  if (own === undefined || own.messages === 0) return false;
  return own.messages >= room * SHARE_OF_ROOM || own.bytes >= roomBytes * SHARE_OF_ROOM;
}

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

/** What is told of an envelope that the hub may have: its sender waits no longer. */
export function unanswered(cause: AgentMeshError): AgentError {
  return new AgentError(
    'TIMEOUT',
    'it was sent, and the hub, which may have it, has not answered',
    cause,
  );
}
