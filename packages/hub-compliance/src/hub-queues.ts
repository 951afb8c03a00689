/**
 * The hub suite's part about envelopes: accepted once, delivered in order, kept until acknowledged
 * (hub.md §2). Owns the tests; expiry and notices are `hub-fates`.
 */
import { describe, expect, test } from '@jest/globals';
import { encodeFrame, equalBytes } from '@agentmesh/protocol';
import { deliveredIds, sendMany, sendTo, withHub } from './hub-samples.js';
import type { StartHub } from './hub-under-test.js';
import type { RawClient } from './raw-client.js';
import type { TestAgent } from './test-agent.js';

/** Takes `count` deliveries, waiting for them. */
async function take(client: RawClient, count: number) {
  const deliveries = [];
  for (let at = 0; at < count; at++) deliveries.push(await client.next('deliver'));
  return deliveries;
}

/** From the sender to the queue. */
export function hubSending(start: StartHub): void {
  describe('sending', () => {
    test('an envelope arrives as it was sent, with the hub word on sender and time', () =>
      withHub(start, {}, async ({ hub, alice, bob, join }) => {
        const receiver = await join(bob);
        const sender = await join(alice);
        const request = sendTo(bob, { blob: new Uint8Array(5_000).fill(200) });
        const sent = await sender.request(request);
        const deliver = await receiver.next('deliver');
        const { id, to, blob } = request.envelope;
        const ts = hub.clock();
        expect(deliver.envelope).toEqual({ v: 2, id, from: alice.aid, to, ts, blob });
        expect(deliver.attempt).toBe(1);
        expect(sent).toMatchObject({ type: 'sent', seq: deliver.seq, duplicate: false });
      }));

    test('what was answered sent survives a crash of the hub', () =>
      withHub(start, {}, async ({ hub, alice, bob, join }) => {
        (await join(bob)).close();
        const ids = await sendMany(await join(alice), bob, 20);
        await hub.restart();
        const deliveries = await take(await join(bob), 20);
        expect(deliveries.map((deliver) => deliver.envelope.id)).toEqual(ids);
      }));

    test('an agent may write to itself', () =>
      withHub(start, {}, async ({ bob, join }) => {
        const client = await join(bob);
        expect(await client.codeOf(sendTo(bob))).toBe('sent');
        expect((await client.next('deliver')).envelope.from).toEqual(bob.aid);
      }));
  });
}

/** What waits in one queue of several senders. */
export function hubTurns(start: StartHub): void {
  describe('turns', () => {
    /** Sends so many, each with its number in its content. */
    const fill = (client: RawClient, to: TestAgent, count: number) =>
      Promise.all(
        Array.from({ length: count }, (_, at) =>
          client.request(sendTo(to, { blob: new Uint8Array(64).fill(at % 256) })),
        ),
      );

    test('T-A72 full-share: what one sender left in a queue is before others with a turn only', () =>
      withHub(start, {}, async ({ alice, bob, carol, join }) => {
        (await join(bob)).close();
        const attacker = await join(alice);
        const answers = await fill(attacker, bob, 300);
        expect(answers.every(({ type }) => type === 'sent')).toBe(true);
        await fill(await join(carol), bob, 3);
        const deliveries = await take(await join(bob), 256);
        const isOf = (agent: TestAgent) => (deliver: (typeof deliveries)[number]) =>
          equalBytes(deliver.envelope.from, agent.aid);
        const honest = deliveries.filter(isOf(carol));
        expect(honest.map(({ envelope }) => envelope.blob[0])).toEqual([0, 1, 2]);
        expect(deliveries.findLastIndex(isOf(carol))).toBeLessThan(12);
        const others = deliveries.filter(isOf(alice)).map(({ envelope }) => envelope.blob[0]);
        expect(others).toEqual(Array.from({ length: 253 }, (_, at) => at % 256));
      }));

    test('T-A82 longer-queue: turns hold in a queue of which less than all can be known', () => {
      const limits = { queueMessages: 100_000, heldBytesOfOne: 1 };
      return withHub(start, { limits }, async ({ alice, bob, carol, join }) => {
        (await join(bob)).close();
        const attacker = await join(alice);
        for (let part = 0; part < 3; part++) await fill(attacker, bob, 600);
        await fill(await join(carol), bob, 3);
        const receiver = await join(bob);
        receiver.send({ type: 'credit', messages: 2_000, bytes: 2_000_000 });
        const deliveries = await take(receiver, 1_803);
        const isOf = (agent: TestAgent) => (deliver: (typeof deliveries)[number]) =>
          equalBytes(deliver.envelope.from, agent.aid);
        expect(deliveries.findLastIndex(isOf(carol))).toBeLessThan(12);
        const seqs = deliveries.filter(isOf(alice)).map(({ seq }) => seq);
        expect(seqs).toEqual([...new Set(seqs)].toSorted((a, b) => a - b));
        expect(seqs).toHaveLength(1_800);
      });
    });

    test('who is faster than its recipient does not hold up another that writes meanwhile', () =>
      withHub(start, {}, async ({ hub, alice, bob, carol, join }) => {
        const receiver = await join(bob);
        await fill(await join(alice), bob, 600);
        expect(await take(receiver, 256)).toHaveLength(256);
        await fill(await join(carol), bob, 1);
        await hub.rest();
        receiver.send({ type: 'credit', messages: 8, bytes: 8_192 });
        const senders = (await take(receiver, 8)).map(({ envelope }) => envelope.from);
        expect(senders.some((from) => equalBytes(from, carol.aid))).toBe(true);
      }));
  });
}

/** What a sender may not, and what a hub may not answer. */
export function hubSendingAttacks(start: StartHub): void {
  describe('refused envelopes', () => {
    test('T-A7 forged-from: a sender cannot name another sender', () =>
      withHub(start, {}, async ({ alice, bob, carol, join }) => {
        const receiver = await join(bob);
        const sender = await join(alice);
        const { envelope } = sendTo(bob);
        const text = encodeFrame({ type: 'send', id: 1, envelope });
        const from = Buffer.from(carol.aid).toString('base64url');
        sender.sendText(text.replace('"envelope":{', `"envelope":{"from":"${from}",`));
        expect(await sender.next('error')).toMatchObject({ re: 1, code: 'BAD_FRAME' });
        sender.sendText(text.replace('"type"', `"from":"${from}","type"`));
        expect(await sender.next('error')).toMatchObject({ re: 1, code: 'BAD_FRAME' });
        await sender.request(sendTo(bob));
        expect((await receiver.next('deliver')).envelope.from).toEqual(alice.aid);
        await receiver.settle();
        expect(receiver.all('deliver')).toEqual([]);
      }));

    test('T-A9 offline-peer: queued and delivered later, unknown or full is never an OK', () =>
      withHub(start, { limits: { queueMessages: 2 } }, async (scene) => {
        const { hub, alice, bob, carol, join } = scene;
        const sender = await join(alice);
        expect(await sender.codeOf(sendTo(bob))).toBe('UNKNOWN_RECIPIENT');
        (await join(bob)).close();
        await hub.advance(1_000);
        expect(await sender.codeOf(sendTo(carol))).toBe('UNKNOWN_RECIPIENT');
        const other = await join(carol);
        const ids = [...(await sendMany(sender, bob, 1)), ...(await sendMany(other, bob, 1))];
        expect(await sender.codeOf(sendTo(bob))).toBe('QUEUE_FULL');
        expect(await other.codeOf(sendTo(bob))).toBe('QUEUE_FULL');
        const receiver = await join(bob);
        const deliveries = await take(receiver, 2);
        expect(deliveries.map((deliver) => deliver.envelope.id)).toEqual(ids);
        receiver.send({ type: 'ack', seqs: deliveries.map((deliver) => deliver.seq) });
        await receiver.settle();
        expect(await codeOnceThereIsRoom(hub, () => sender.codeOf(sendTo(bob)))).toBe('sent');
        await receiver.next('deliver');
      }));

    test('T-A11 id-reuse: one id is one envelope', () =>
      withHub(start, {}, async ({ hub, alice, bob, carol, join }) => {
        const sender = await join(alice);
        const other = await join(carol);
        const receiver = await join(bob);
        const request = sendTo(bob);
        const first = await sender.request(request);
        const again = await sender.request(request);
        expect(again).toMatchObject({
          ...first,
          re: again.type === 'sent' && again.re,
          duplicate: true,
        });
        const blob = new Uint8Array(64).fill(255);
        const changed = { ...request, envelope: { ...request.envelope, blob } };
        expect(await sender.codeOf(changed)).toBe('CONFLICT');
        const elsewhere = { ...request, envelope: { ...request.envelope, to: carol.aid } };
        expect(await sender.codeOf(elsewhere)).toBe('CONFLICT');
        expect(await other.codeOf(changed)).toBe('sent');
        expect(await take(receiver, 2)).toMatchObject([
          { envelope: { from: alice.aid, blob: request.envelope.blob } },
          { envelope: { from: carol.aid, blob } },
        ]);
        await hub.restart();
        const later = await join(alice);
        expect(await later.request(request)).toMatchObject({ type: 'sent', duplicate: true });
        expect(await later.codeOf(changed)).toBe('CONFLICT');
      }));
  });
}

/** From the queue to the recipient. */
export function hubDelivering(start: StartHub): void {
  describe('delivering', () => {
    test('seq rises strictly and each sender keeps its order', () =>
      withHub(start, {}, async ({ alice, bob, carol, join }) => {
        const receiver = await join(bob);
        const senders = [await join(alice), await join(carol)];
        const ids = await Promise.all(senders.map((sender) => sendMany(sender, bob, 25)));
        const deliveries = await take(receiver, 50);
        const seqs = deliveries.map((deliver) => deliver.seq);
        expect(seqs).toEqual([...new Set(seqs)].toSorted((a, b) => a - b));
        [alice, carol].forEach((agent, at) => {
          const own = deliveries.filter(({ envelope }) => envelope.from[0] === agent.aid[0]);
          expect(own.map(({ envelope }) => envelope.id)).toEqual(ids[at]);
        });
      }));

    test('an acknowledged envelope never comes again', () =>
      withHub(start, {}, async ({ hub, alice, bob, join }) => {
        const receiver = await join(bob);
        const [, second] = await sendMany(await join(alice), bob, 2);
        const [first] = await take(receiver, 2);
        receiver.send({ type: 'ack', seqs: [first?.seq ?? 0] });
        await receiver.settle();
        await hub.restart();
        const again = await join(bob);
        expect((await again.next('deliver')).envelope.id).toEqual(second);
        await again.settle();
        expect(again.all('deliver')).toEqual([]);
      }));

    test('what was not acknowledged comes again after a lost connection, as next attempt', () =>
      withHub(start, {}, async ({ hub, alice, bob, join }) => {
        const ids = await sendMany(await join(alice), bob, 0);
        let receiver = await join(bob);
        ids.push(...(await sendMany(await join(alice), bob, 3)));
        for (const attempt of [1, 2, 3]) {
          const deliveries = await take(receiver, 3);
          expect(deliveries.map((deliver) => deliver.attempt)).toEqual([attempt, attempt, attempt]);
          expect(deliveries.map((deliver) => deliver.envelope.id)).toEqual(ids);
          receiver.close();
          await hub.advance(1_000);
          receiver = await join(bob);
        }
      }));
  });
}

/** What comes again, and when. */
export function hubRedelivery(start: StartHub): void {
  describe('redelivery', () => {
    test('a refused envelope comes again after its delay, and others do not wait for it', () =>
      withHub(start, {}, async ({ hub, alice, bob, join }) => {
        const receiver = await join(bob);
        const ids = await sendMany(await join(alice), bob, 2);
        const [first] = await take(receiver, 2);
        const seq = first?.seq ?? 0;
        receiver.send({ type: 'nack', seq, delay: 5_000, reason: 'STORAGE' });
        await hub.advance(4_000);
        expect(deliveredIds(receiver)).toEqual([]);
        await hub.advance(2_000);
        const again = await receiver.next('deliver');
        expect([again.seq, again.attempt, again.envelope.id]).toEqual([seq, 2, ids[0]]);
        receiver.send({ type: 'nack', seq, delay: 0, reason: 'STORAGE' });
        expect(await receiver.next('deliver')).toMatchObject({ seq, attempt: 3 });
      }));

    test('a delay outlives the connection', () =>
      withHub(start, {}, async ({ hub, alice, bob, join }) => {
        const receiver = await join(bob);
        await sendMany(await join(alice), bob, 1);
        const { seq } = await receiver.next('deliver');
        receiver.send({ type: 'nack', seq, delay: 10_000, reason: 'STORAGE' });
        await receiver.settle();
        await hub.restart();
        const again = await join(bob);
        await again.settle();
        expect(deliveredIds(again)).toEqual([]);
        await hub.advance(11_000);
        expect(await again.next('deliver')).toMatchObject({ seq, attempt: 2 });
      }));

    test('what was not delivered yet cannot be acknowledged', () =>
      withHub(start, { limits: { initialCreditMessages: 1 } }, async ({ alice, bob, join }) => {
        const receiver = await join(bob);
        const ids = await sendMany(await join(alice), bob, 2);
        const { seq } = await receiver.next('deliver');
        receiver.send({ type: 'ack', seqs: [seq + 1] });
        await receiver.settle();
        receiver.send({ type: 'credit', messages: 1, bytes: 0 });
        expect((await receiver.next('deliver')).envelope.id).toEqual(ids[1]);
      }));

    test('no agent acknowledges or refuses what it did not get', () =>
      withHub(start, {}, async ({ hub, alice, bob, carol, join }) => {
        (await join(bob)).close();
        await hub.advance(1_000);
        const sender = await join(alice);
        const sent = await sender.request(sendTo(bob));
        const seq = sent.type === 'sent' ? sent.seq : 0;
        const stranger = await join(carol);
        for (const client of [sender, stranger]) {
          client.send({ type: 'ack', seqs: [seq, seq + 1] });
          client.send({ type: 'nack', seq, delay: 1_000, reason: 'STORAGE' });
          await client.settle();
        }
        expect(await (await join(bob)).next('deliver')).toMatchObject({ seq, attempt: 1 });
      }));
  });
}

/** The client decides how much comes. */
export function hubCredit(start: StartHub): void {
  describe('credit', () => {
    test('no more messages than granted are pushed, and none is lost', () =>
      withHub(start, { limits: { initialCreditMessages: 3 } }, async ({ alice, bob, join }) => {
        const receiver = await join(bob);
        const ids = await sendMany(await join(alice), bob, 8);
        await receiver.settle();
        expect(deliveredIds(receiver)).toEqual(ids.slice(0, 3));
        receiver.send({ type: 'credit', messages: 2, bytes: 0 });
        await receiver.settle();
        expect(deliveredIds(receiver)).toEqual(ids.slice(3, 5));
        receiver.send({ type: 'credit', messages: 100, bytes: 0 });
        await receiver.settle();
        expect(deliveredIds(receiver)).toEqual(ids.slice(5));
      }));

    test('no more bytes than granted are pushed, whatever the size of the next envelope', () =>
      withHub(start, { limits: { initialCreditBytes: 150 } }, async ({ alice, bob, join }) => {
        const receiver = await join(bob);
        const sender = await join(alice);
        const ids = await sendMany(sender, bob, 3);
        await receiver.settle();
        expect(deliveredIds(receiver)).toEqual(ids.slice(0, 2));
        receiver.send({ type: 'credit', messages: 0, bytes: 41 });
        await receiver.settle();
        expect(deliveredIds(receiver)).toEqual([]);
        receiver.send({ type: 'credit', messages: 0, bytes: 1 });
        await receiver.settle();
        expect(deliveredIds(receiver)).toEqual(ids.slice(2));
      }));

    test('a long queue is delivered whole', () =>
      withHub(start, {}, async ({ hub, alice, bob, join }) => {
        (await join(bob)).close();
        await hub.advance(1_000);
        const ids = await sendMany(await join(alice), bob, 400);
        const receiver = await join(bob);
        const first = await take(receiver, 256);
        await receiver.settle();
        expect(deliveredIds(receiver)).toEqual([]);
        receiver.send({ type: 'credit', messages: 1_000, bytes: 0 });
        const all = [...first, ...(await take(receiver, 144))];
        expect(all.map((deliver) => deliver.envelope.id)).toEqual(ids);
      }));
  });
}

/** Of an acknowledgement that came to another hub a hub learns a moment later. */
async function codeOnceThereIsRoom(
  hub: { readonly advance: (ms: number) => Promise<void> },
  send: () => Promise<string>,
): Promise<string> {
  let code = await send();
  for (let waits = 0; code === 'QUEUE_FULL' && waits < 40; waits++) {
    await hub.advance(100);
    code = await send();
  }
  return code;
}
