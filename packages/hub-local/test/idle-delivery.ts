/**
 * What a delivery needs beside its queue and its link where nothing is written and no time passes.
 */
import { CORE_LIMITS } from '../src/core-limits.js';
import { QueueWriter } from '../src/queue-writer.js';

/** Must not be called. */
export const unused = (): never => {
  throw new TypeError('not used here');
};

/** Parts of a `Delivery` that are never used, or never change. */
export function idleParts() {
  return {
    recipient: new Uint8Array(32),
    writer: new QueueWriter({
      store: { commit: unused },
      quota: { messages: 9, bytes: 9, senderMessages: 9, senderBytes: 9, retiredMs: 9 },
      commitEnvelopes: 9,
      clock: () => 5,
      defer: unused,
      onNotified: unused,
      onFailure: unused,
    }),
    limits: CORE_LIMITS,
    clock: () => 5,
    senders: { putOff: unused },
    onFailure: unused,
  };
}
