/**
 * A message of a stream as the store reads it. Owns its shape, and how it is read off what a
 * consumer delivers, or what the stream passes on as it stores it.
 */
import type { JsMsg } from '@nats-io/jetstream';
import type { Msg } from '@nats-io/transport-node';
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

/** A message that a stream has just stored; `follows` is the one before on its subject, or 0. */
export interface PassedOn {
  readonly entry: StreamEntry;
  readonly follows: number;
}

const SIZE_HEADER = 'Nats-Msg-Size';

/** Of what a consumer delivers. */
export function entryOf({ seq, subject, data, headers: head }: JsMsg): StreamEntry {
  const size = head?.get(SIZE_HEADER) ?? '';
  const note = head?.get(NOTE_HEADER) ?? '';
  return { seq, subject, note, data, size: size === '' ? data.length : Number(size) };
}

/** Of what a stream passes on; null for a message that is none of those. */
export function passedOnIn({ data, headers: head }: Msg): PassedOn | null {
  let [seq, follows] = [Number.NaN, Number.NaN];
  let [subject, note] = ['', ''];
  for (const [name, [value = '']] of head ?? []) {
    if (name === 'Nats-Sequence') seq = Number(value);
    else if (name === 'Nats-Last-Sequence') follows = Number(value);
    else if (name === 'Nats-Subject') subject = value;
    else if (name === NOTE_HEADER) note = value;
  }
  if (!Number.isSafeInteger(seq) || !Number.isSafeInteger(follows)) return null;
  return { entry: { seq, subject, note, data, size: data.length }, follows };
}
