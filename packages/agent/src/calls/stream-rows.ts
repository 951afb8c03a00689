/**
 * Two rows of a stream at its consumer: how far it was read, and its end as it is signed, with the
 * number of its items, the hash of all parts, and what the generator returned or threw. Owns their
 * layout and the check of the end; when it counts is `incoming-stream`'s.
 */
import { equalBytes } from '@agentmesh/crypto';
import { decodePayload } from '@agentmesh/protocol';
import type { JsonValue } from '@agentmesh/protocol';
import { AgentError } from '../ground/errors.js';
import { valueOf } from '../message/payload.js';
import { RowReader, RowWriter } from '../store/row-codec.js';
import { outcomeOf } from './call-end.js';

const HASH_BYTES = 32;

export interface StreamEnd {
  readonly count: number;
  readonly hash: Uint8Array;
  readonly body: Uint8Array;
}

export function encodeEnd(count: number, data: Uint8Array): Uint8Array {
  return new RowWriter().u64(count).bytes(data).finish();
}

export function decodeEnd(row: Uint8Array): StreamEnd {
  const reader = new RowReader(row, 'stream');
  const count = reader.u64();
  const data = reader.bytes();
  reader.end();
  return { count, hash: data.slice(0, HASH_BYTES), body: data.slice(HASH_BYTES) };
}

/** How far a stream was read: the items, and the hash of their parts. */
export interface StreamRead {
  readonly items: number;
  readonly hash: Uint8Array;
}

export function encodeRead({ items, hash }: StreamRead): Uint8Array {
  return new RowWriter().u64(items).fixed(hash).finish();
}

export function decodeRead(row: Uint8Array): StreamRead {
  const reader = new RowReader(row, 'stream');
  const items = reader.u64();
  const hash = reader.fixed(HASH_BYTES);
  reader.end();
  return { items, hash };
}

/** The result of a stream of which so many items came, with this hash; throws how it ended. */
export function resultOf(
  { count, hash, body }: StreamEnd,
  came: StreamRead & { readonly peer: string },
): JsonValue {
  if (count !== came.items || !equalBytes(hash, came.hash)) {
    const detail = `${came.items} items came, and its end says ${count}, or others`;
    throw new AgentError('STREAM_BROKEN', detail);
  }
  const outcome = outcomeOf(came.peer, { atMs: 0, body, code: '', message: '' });
  if ('error' in outcome) throw outcome.error;
  return valueOf(decodePayload(body));
}
