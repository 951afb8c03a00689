/**
 * A message of a stream as the store reads it. Owns its shape, and how it is read off what a
 * consumer delivers.
 */
import type { JsMsg } from '@nats-io/jetstream';
import { NOTE_HEADER } from './layout.js';

/** A message as it lies in a stream. */
export interface StreamEntry {
  readonly seq: number;
  readonly subject: string;
  /** The one header of ours; empty if there is none. */
  readonly note: string;
  readonly data: Uint8Array;
  /** Length of the data also where only headers were asked for. */
  readonly size: number;
}

const SIZE_HEADER = 'Nats-Msg-Size';

/** Of what a consumer delivers. */
export function entryOf({ seq, subject, data, headers: head }: JsMsg): StreamEntry {
  const size = head?.get(SIZE_HEADER) ?? '';
  const note = head?.get(NOTE_HEADER) ?? '';
  return { seq, subject, note, data, size: size === '' ? data.length : Number(size) };
}
