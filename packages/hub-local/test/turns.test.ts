/**
 * Turns of senders in one queue, over random histories: whatever is sent while the recipient is
 * away, has no credit, refuses or reads slowly, each sender's envelopes come in order, all of them
 * come, and nobody waits for more than a few of each other sender.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AgentKeyPair } from '@agentmesh/crypto';
import { alice, bench, bob, carol, seededRandom } from './core-harness.js';
import type { CoreClient } from './core-harness.js';

const dave = AgentKeyPair.generate(seededRandom(5));
const SENDERS = [alice, carol, dave];
/** Credit that is granted at once, and so the most that is chosen before others come. */
const CREDIT = 4;
/** Small envelopes in one turn. */
const OF_ONE_TURN = 2;

const steps = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constant('send' as const),
      from: fc.nat(SENDERS.length - 1),
      count: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 60 })),
    }),
    fc.record({
      do: fc.constantFrom(
        'credit' as const,
        'credit' as const,
        'away' as const,
        'back' as const,
        'stuck' as const,
        'drained' as const,
      ),
    }),
  ),
  { maxLength: 40 },
);

/** Who waits for its next delivery, and what it has seen of the others since. */
class Watch {
  readonly complaints: string[] = [];
  readonly #sent = SENDERS.map(() => 0);
  readonly #delivered = SENDERS.map(() => 0);
  readonly #passed = SENDERS.map(() => SENDERS.map(() => 0));

  sent(from: number): number {
    if (this.#sent[from] === this.#delivered[from]) this.#passed[from]?.fill(0);
    return (this.#sent[from] = (this.#sent[from] ?? 0) + 1);
  }

  delivered(from: number, number: number): void {
    const expected = (this.#delivered[from] ?? 0) + 1;
    if (number !== expected) this.complaints.push(`${number} of ${from} instead of ${expected}`);
    this.#delivered[from] = number;
    this.#passed[from]?.fill(0);
    for (const [other, passed] of this.#passed.entries()) {
      if (other === from || this.#sent[other] === this.#delivered[other]) continue;
      passed[from] = (passed[from] ?? 0) + 1;
      if (passed[from] > CREDIT + 2 * OF_ONE_TURN) {
        this.complaints.push(`${other} waited for ${passed[from]} of ${from}`);
      }
    }
  }

  get isAllDelivered(): boolean {
    return this.#sent.every((sent, from) => sent === this.#delivered[from]);
  }
}

test('a sender with something waiting is never passed by more than a few of another', async () => {
  const property = fc.asyncProperty(steps, fc.boolean(), async (history, isTight) => {
    // With little to hold, contents are read from the store, in small pages.
    const held = isTight ? { heldBytesOfOne: 2_000, pageMessages: 3 } : {};
    const limits = { initialCreditMessages: CREDIT, ...held };
    const { host, join } = await bench({ limits });
    const senders: CoreClient[] = [];
    for (const [at, keys] of SENDERS.entries()) senders.push(await join(keys, `sender-${at}`));
    let receiver: CoreClient | null = await join(bob, 'bob');
    let boot = 1;
    const watch = new Watch();
    const numbers = new Map<string, { from: number; number: number }>();
    let ids = 0;
    const look = async () => {
      await host.settle();
      for (const { seq, envelope } of receiver?.link.take('deliver') ?? []) {
        const one = numbers.get(`${envelope.id}`);
        if (one !== undefined) watch.delivered(one.from, one.number);
        receiver?.connection.receive({ ok: true, frame: { type: 'ack', seqs: [seq] } }, '');
      }
      await host.settle();
    };
    const send = (from: number) => {
      ids += 1;
      const id = new Uint8Array(16);
      new DataView(id.buffer).setUint32(0, ids);
      numbers.set(`${id}`, { from, number: watch.sent(from) });
      const envelope = { id, to: bob.identity.aid, ttl: 60, blob: new Uint8Array(32) };
      senders[from]?.send({ type: 'send', envelope });
    };
    const credit = () => {
      const frame = { type: 'credit', messages: CREDIT, bytes: 100_000 } as const;
      receiver?.connection.receive({ ok: true, frame }, '');
    };
    const back = async () => {
      boot += 1;
      receiver ??= await join(bob, 'bob', boot);
    };
    for (const step of history) {
      if (step.do === 'send') for (let n = 0; n < step.count; n++) send(step.from);
      else if (step.do === 'credit') credit();
      else if (step.do === 'back') await back();
      else if (step.do === 'stuck' && receiver !== null) receiver.link.backlog = 1e9;
      else if (step.do === 'drained' && receiver !== null) {
        receiver.link.backlog = 0;
        receiver.connection.drained();
      } else if (step.do === 'away') {
        receiver?.connection.closed();
        receiver = null;
      }
      await look();
    }
    await back();
    for (let turns = 0; turns < 2_000 && !watch.isAllDelivered; turns++) {
      if (receiver !== null) receiver.link.backlog = 0;
      receiver?.connection.drained();
      credit();
      await look();
    }
    expect(watch.complaints).toEqual([]);
    expect(watch.isAllDelivered).toBe(true);
  });
  await fc.assert(property, { numRuns: 60 });
});

test('of a queue longer than can be known at once, all comes, and a late sender has its turn', async () => {
  const limits = { heldBytes: 1, heldBytesOfOne: 1, queueMessages: 40_000 };
  const { host, join } = await bench({ limits });
  (await join(bob, 'bob')).connection.closed();
  const sender = await join(alice, 'alice');
  const send = (client: CoreClient, count: number, first = 0) => {
    for (let n = 0; n < count; n++) {
      const id = new Uint8Array(16);
      new DataView(id.buffer).setUint32(0, first + n);
      const envelope = { id, to: bob.identity.aid, ttl: 60, blob: new Uint8Array(32) };
      client.send({ type: 'send', envelope });
    }
  };
  // As much as a sender may have in a queue: more than the numbers that are always known.
  for (const first of [0, 750]) {
    send(sender, 750, first);
    await host.settle();
  }
  const receiver = await join(bob, 'bob', 2);
  const taken: Uint8Array[] = [];
  const read = async () => {
    await host.settle();
    for (const { seq, envelope } of receiver.link.take('deliver')) {
      taken.push(envelope.from);
      receiver.connection.receive({ ok: true, frame: { type: 'ack', seqs: [seq] } }, '');
    }
    const frame = { type: 'credit', messages: 64, bytes: 65_536 } as const;
    receiver.connection.receive({ ok: true, frame }, '');
    await host.settle();
  };
  await read();
  send(await join(carol, 'carol'), 1, 5_000);
  await host.settle();
  for (let turns = 0; turns < 100 && taken.length < 1_501; turns++) await read();
  expect(taken).toHaveLength(1_501);
  const late = taken.findIndex((from) => Buffer.compare(from, carol.identity.aid) === 0);
  // Behind what was not known yet, but before most of what is left by then.
  expect(late).toBeLessThan(1_100);
});

test('T-A73 put-off backlog: what comes again does not go before what others write meanwhile', async () => {
  const { host, join } = await bench();
  const receiver = await join(bob, 'bob');
  const sender = await join(alice, 'alice');
  const other = await join(carol, 'carol');
  for (let n = 1; n <= 200; n++) sender.sendTo(bob, n);
  await host.settle();
  for (const { seq } of receiver.link.take('deliver')) {
    const frame = { type: 'nack', seq, delay: 1_000, reason: 'INSTANCE_HELD' } as const;
    receiver.connection.receive({ ok: true, frame }, '');
  }
  const credit = { type: 'credit', messages: 200, bytes: 200_000 } as const;
  receiver.connection.receive({ ok: true, frame: credit }, '');
  await host.settle();
  host.nowMs += 1_000;
  // The first of them is being read when the others come.
  receiver.connection.drained();
  for (let n = 1; n <= 5; n++) other.sendTo(bob, 200 + n);
  await host.settle();
  await host.settle();
  const senders = receiver.link.take('deliver').map(({ envelope }) => envelope.from);
  expect(senders.length).toBeGreaterThan(100);
  const last = senders.findLastIndex((from) => Buffer.compare(from, carol.identity.aid) === 0);
  expect(last).toBeGreaterThanOrEqual(0);
  expect(last).toBeLessThan(20);
});
