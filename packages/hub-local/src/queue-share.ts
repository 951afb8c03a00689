/**
 * Whether a queue has room for one more envelope of a sender: the one rule for all stores. Owns the
 * arithmetic; who is a stranger and what lies in a queue is known by the store.
 *
 * Besides fixed bounds, a sender may hold no more than a fraction of what is still free. One alone
 * then fills a quarter, the next one a quarter of the rest, and so the queue is never quite full
 * (dynamic thresholds, as switches divide their buffers). Strangers, to whom the recipient has
 * never written, get a quarter of that fraction, and nothing of the last quarter of a queue.
 * An empty queue takes whatever is within the fixed bounds: what it refused it would refuse for
 * ever.
 */
import type { QueueQuota } from './hub-store.js';

/** Envelopes, and the bytes of their blobs. */
export interface QueueLoad {
  readonly messages: number;
  readonly bytes: number;
}

/** One envelope that asks for room. */
export interface RoomRequest {
  /** All that is in the queue. */
  readonly total: QueueLoad;
  /** What the sender has in it. */
  readonly share: QueueLoad;
  readonly quota: QueueQuota;
  readonly bytes: number;
  /** Asked only when the answer depends on it. */
  readonly isStranger: () => boolean;
}

const STRANGER_PART = 0.25;
const STRANGERS_UP_TO = 0.75;
/** Divisions do not come out even. */
const ROUNDING = 1e-6;

/** Pure but for the question whether the sender is a stranger. */
export function hasQueueRoom({ total, share, quota, bytes, isStranger }: RoomRequest): boolean {
  const isWithin =
    total.messages < quota.messages &&
    total.bytes + bytes <= quota.bytes &&
    share.messages < quota.senderMessages &&
    share.bytes + bytes <= quota.senderBytes;
  if (!isWithin || quota.isShared !== true || total.messages === 0) return isWithin;
  const messages = { total: total.messages, share: share.messages, more: 1 };
  const sizes = { total: total.bytes, share: share.bytes, more: bytes };
  const known =
    isFair(messages, quota.messages, quota.senderMessages) &&
    isFair(sizes, quota.bytes, quota.senderBytes);
  if (!known) return false;
  const stranger =
    total.messages < quota.messages * STRANGERS_UP_TO &&
    total.bytes + bytes <= quota.bytes * STRANGERS_UP_TO &&
    isFair(messages, quota.messages, quota.senderMessages * STRANGER_PART) &&
    isFair(sizes, quota.bytes, quota.senderBytes * STRANGER_PART);
  return stranger || !isStranger();
}

/** Who is alone may fill `own` of `all`; each other one the same part of what is free. */
function isFair(
  { total, share, more }: { readonly total: number; readonly share: number; readonly more: number },
  all: number,
  own: number,
): boolean {
  if (own >= all) return true;
  const fraction = own / (all - own);
  return share + more <= fraction * (all - total - more) + ROUNDING;
}
