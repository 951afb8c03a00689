/**
 * Reading what a stream has at the moment, through a consumer of its own. Owns when such a reading
 * is whole: others remove entries meanwhile, and NATS may be slow.
 */
import type { JsMsg } from '@nats-io/jetstream';
import { JetStreamStoreError } from './jetstream-error.js';
import { entryOf } from './stream-entry.js';
import type { StreamEntry } from './stream-entry.js';

/** How long one request for entries waits for more of them. */
const SCAN_MS = 2_000;

/** What is used of a consumer. */
export interface EntrySource {
  info(): Promise<{ readonly num_pending: number }>;
  fetch(options: {
    readonly max_messages: number;
    readonly expires: number;
  }): Promise<AsyncIterable<JsMsg> & { stop(): void }>;
}

/** What is there now, up to `max`; throws STORE_UNAVAILABLE if NATS falls silent in the middle. */
export async function readUpTo(consumer: EntrySource, max: number): Promise<StreamEntry[]> {
  const wanted = Math.min(max, (await consumer.info()).num_pending);
  const entries: StreamEntry[] = [];
  while (entries.length < wanted) {
    const before = entries.length;
    const left = await fetchSome(consumer, wanted - before, entries);
    if (left === 0) break;
    // Slow, but it gets on.
    if (left !== null && entries.length > before) continue;
    // What was removed since it was counted never comes.
    if (left !== null && (await consumer.info()).num_pending === 0) break;
    throw new JetStreamStoreError('STORE_UNAVAILABLE', { detail: 'reading was interrupted' });
  }
  return entries;
}

/** Reads for a while; how many were left behind the last one, null if the connection was lost. */
async function fetchSome(
  consumer: EntrySource,
  most: number,
  into: StreamEntry[],
): Promise<number | null> {
  const messages = await consumer.fetch({ max_messages: most, expires: SCAN_MS });
  const end = into.length + most;
  let left = most;
  let isLost = false;
  // A client that lost its connection meanwhile would wait for ever.
  const watch = setTimeout(() => {
    isLost = true;
    messages.stop();
  }, 2 * SCAN_MS);
  try {
    for await (const message of messages) {
      into.push(entryOf(message));
      left = message.info.pending;
      if (into.length >= end || left === 0) break;
    }
  } finally {
    clearTimeout(watch);
  }
  return isLost ? null : left;
}
