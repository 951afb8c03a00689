import { expect, test } from '@jest/globals';
import type { HubFrame } from '@agentmesh/protocol';
import { CORE_LIMITS } from './core-limits.js';
import { Delivery } from './delivery.js';
import { HeldBytes } from './held-envelopes.js';
import { idleParts, unused } from '../test/idle-delivery.js';

const recipient = new Uint8Array(32);

/** A delivery whose connection takes everything, over a queue of these numbers. */
function deliveryOver(seqs: readonly number[]) {
  const sent: number[] = [];
  let reads = 0;
  const envelopeOf = (seq: number) => {
    const bytes = { id: new Uint8Array(16), from: recipient, blob: new Uint8Array(10) };
    return { ...bytes, seq, tsMs: 0, expiresMs: 1_000 };
  };
  const send = (frame: HubFrame): void => {
    if (frame.type === 'deliver') sent.push(frame.seq);
  };
  const entries = seqs.map((seq) => ({ ...envelopeOf(seq), due: true, attempt: 1 }) as const);
  const delivery = new Delivery({
    ...idleParts(),
    link: { send, close: unused, backlog: 0 },
    store: {
      read: ({ after }) => {
        reads += 1;
        return Promise.resolve({ entries: entries.filter(({ seq }) => seq > after), end: true });
      },
      outline: unused,
      fetch: unused,
    },
    held: new HeldBytes(CORE_LIMITS),
  });
  const offer = (seq: number, follows = seq - 1): void => {
    delivery.offer(envelopeOf(seq), follows);
  };
  return { delivery, sent, offer, reads: () => reads };
}

test('what a page shows twice is delivered once', async () => {
  const { delivery, sent } = deliveryOver([1, 2, 2, 1, 3]);
  delivery.wake();
  await new Promise(setImmediate);
  expect(sent).toEqual([1, 2, 3]);
});

test('what was read before its own commit was answered is not delivered again', async () => {
  const { delivery, sent, offer } = deliveryOver([1, 2, 3]);
  delivery.wake();
  await new Promise(setImmediate);
  expect(sent).toEqual([1, 2, 3]);
  offer(2);
  offer(3);
  expect(sent).toEqual([1, 2, 3]);
  offer(4);
  expect(sent).toEqual([1, 2, 3, 4]);
});

test('what is offered while the queue is read is held, and not read again', async () => {
  const { delivery, sent, offer, reads } = deliveryOver([1, 2]);
  delivery.wake();
  for (const seq of [2, 3, 4]) offer(seq);
  await new Promise(setImmediate);
  offer(5);
  expect(sent).toEqual([1, 2, 3, 4, 5]);
  expect(reads()).toBe(1);
});

test('what is missing before an offered envelope is read first', async () => {
  const { delivery, sent, offer, reads } = deliveryOver([1, 2, 3]);
  delivery.wake();
  await new Promise(setImmediate);
  // 4 was lost on the way: what comes behind it is not pushed over it.
  offer(5, 4);
  expect(sent).toEqual([1, 2, 3]);
  await new Promise(setImmediate);
  expect(reads()).toBe(2);
  // The store does not show it yet: nothing is passed over, and the next look asks again.
  expect(sent).toEqual([1, 2, 3]);
  delivery.pump();
  await new Promise(setImmediate);
  expect(reads()).toBe(3);
});
