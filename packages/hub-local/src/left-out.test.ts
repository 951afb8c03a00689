/** Turns of senders in queues that are longer than what may be known of them at once. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { HubFrame } from '@agentmesh/protocol';
import { CORE_LIMITS } from './core-limits.js';
import { Delivery } from './delivery.js';
import { HeldBytes } from './held-envelopes.js';
import { idleParts, unused } from '../test/idle-delivery.js';

const MANY = 100_000;
/** In a connection without any room in common with others. */
const ALWAYS = 1_024;
const PAGE = 2_000;

const aidOf = (sender: number): Uint8Array => {
  const aid = Buffer.alloc(32);
  aid.writeUInt32BE(sender);
  return aid;
};

/** A queue, given by the sender of each envelope, and a client that reads `credit` at a time. */
function readerOf(senders: readonly number[], heldBytes: number) {
  const got: { readonly sender: number; readonly seq: number }[] = [];
  const looked = { pages: 0, rows: 0 };
  const blob = new Uint8Array(10);
  const waiting = new Map(senders.map((sender, at) => [at + 1, sender]));
  let lastSeq = senders.length;
  const entryOf = (seq: number, sender: number) => {
    const from = aidOf(sender);
    return {
      due: true,
      attempt: 1,
      id: new Uint8Array(16),
      from,
      tsMs: 0,
      expiresMs: 9,
      seq,
      blob,
    } as const;
  };
  const from = function* (after: number, most: number) {
    let left = most;
    for (let seq = after + 1; seq <= lastSeq && left > 0; seq++) {
      const sender = waiting.get(seq);
      if (sender === undefined) continue;
      left -= 1;
      yield entryOf(seq, sender);
    }
  };
  const isEnd = (seq: number | undefined): boolean => seq === undefined || seq >= lastSeq;
  const send = (frame: HubFrame): void => {
    if (frame.type !== 'deliver') return;
    const sender = Buffer.from(frame.envelope.from).readUInt32BE();
    got.push({ sender, seq: frame.seq });
    waiting.delete(frame.seq);
  };
  const held = new HeldBytes({ heldBytes, heldBytesOfOne: heldBytes });
  const delivery = new Delivery({
    ...idleParts(),
    link: { send, close: unused, backlog: 0 },
    store: {
      read: ({ after, messages }) => {
        const entries = [...from(after, messages)];
        return Promise.resolve({ entries, end: isEnd(entries.at(-1)?.seq) });
      },
      outline: ({ after, messages }) => {
        const entries = [...from(after, messages)].map((one) => ({ ...one, bytes: 10 }));
        looked.pages += 1;
        looked.rows += entries.length;
        return Promise.resolve({ entries, end: isEnd(entries.at(-1)?.seq) });
      },
      fetch: ({ seqs }) => {
        const found = seqs.filter((seq) => waiting.has(seq));
        return Promise.resolve(found.map((seq) => entryOf(seq, waiting.get(seq) ?? 0)));
      },
    },
    held,
  });
  /** One more is stored while the queue is read. */
  const offer = (sender: number): void => {
    const follows = waiting.size === 0 ? 0 : lastSeq;
    lastSeq += 1;
    waiting.set(lastSeq, sender);
    delivery.offer(entryOf(lastSeq, sender), follows);
  };
  const rest = () => new Promise(setImmediate);
  const read = async (messages: number) => {
    const before = got.length;
    delivery.grant({ messages, bytes: messages * 10 });
    const most = Math.min(before + messages, before + waiting.size);
    for (let turns = 0; got.length < most; turns++) {
      if (turns > 10_000) throw new RangeError(`stuck after ${got.length}`);
      await rest();
    }
  };
  delivery.wake();
  return { got, looked, offer, read, rest, waiting };
}

test('T-A82 longer-queue: who wrote after 100,000 of a stranger is before nearly all of them', async () => {
  const senders = Array<number>(MANY).fill(1);
  senders.push(2, 2);
  const { got, looked, offer, read } = readerOf(senders, 0);
  const placeOf = (wanted: number): number => {
    const at = got.findIndex(({ sender }) => sender === wanted);
    return at < 0 ? Infinity : at;
  };
  await read(1_000);
  const initial = CORE_LIMITS.initialCreditMessages + 6;
  expect(placeOf(2)).toBeLessThan(initial);
  // Who writes now as well, while 99,000 wait of which less than a tenth is known.
  const before = got.length;
  offer(3);
  await read(1_000);
  expect(placeOf(3)).toBeLessThan(before + 3);
  await read(MANY);
  expect(got).toHaveLength(MANY + 3);
  expect(got.filter(({ sender }) => sender === 1).map(({ seq }) => seq)).toEqual(
    Array.from({ length: MANY }, (_, at) => at + 1),
  );
  // The whole queue once, and a page for each half of what may be known.
  expect(looked.pages).toBeLessThan(MANY / PAGE + 2 * (MANY / (ALWAYS / 2)) + 10);
}, 120_000);

test.each([
  ['one after the other', (at: number) => Math.floor(at / 20)],
  ['in turns', (at: number) => at % 500],
  [
    'a little at the beginning, the rest at the end',
    (at: number) => (at < 8_500 ? at % 500 : at % 7),
  ],
])('T-A82 longer-queue: of many names %s it is not read for each', async (_how, senderOf) => {
  const senders = Array.from({ length: 10_000 }, (_, at) => senderOf(at));
  senders.push(1_000);
  const { got, looked, read } = readerOf(senders, 0);
  await read(10_000);
  expect(new Set(got.map(({ seq }) => seq)).size).toBe(10_001);
  // After a turn of each of the 500.
  const place = got.findIndex(({ sender }) => sender === 1_000);
  expect(place).toBeLessThan(1_000);
  expect(looked.rows).toBeLessThan(8 * 10_000);
});

test('each envelope comes once, and those of one sender in order, however little is known', async () => {
  const runs = fc.array(fc.tuple(fc.nat(30), fc.integer({ min: 1, max: 900 })), {
    minLength: 3,
    maxLength: 12,
  });
  const mixed = fc.array(fc.nat(60), { maxLength: 2_000 });
  await fc.assert(
    fc.asyncProperty(runs, mixed, fc.integer({ min: 1, max: 700 }), async (parts, tail, credit) => {
      const senders = parts.flatMap(([sender, count]) => Array<number>(count).fill(sender));
      senders.push(...tail);
      const { got, read, offer, waiting } = readerOf(senders, 320);
      while (waiting.size > 0) {
        await read(credit);
        if (got.length < senders.length && got.length % 3 === 0) offer(got.length % 40);
      }
      expect(new Set(got.map(({ seq }) => seq)).size).toBe(got.length);
      const last = new Map<number, number>();
      for (const { sender, seq } of got) {
        expect(seq).toBeGreaterThan(last.get(sender) ?? 0);
        last.set(sender, seq);
      }
    }),
    { numRuns: 20 },
  );
}, 60_000);
