/**
 * The hub suite's part about limits: each at N and at N + 1, with lowered numbers so that a test
 * stays short (protocol.md §2.16). Owns the tests; quotas of queues are the store suite's too.
 */
import { describe, expect, test } from '@jest/globals';
import { sendMany, sendTo, withHub } from './hub-samples.js';
import type { StartHub } from './hub-under-test.js';

/** How often and how much one sender may send. */
export function hubRates(start: StartHub): void {
  describe('rates', () => {
    test('a sender may send its burst, then at its rate', () =>
      withHub(start, { limits: { sendBurst: 3, sendsPerSecond: 1 } }, async (scene) => {
        const { hub, alice, bob, join } = scene;
        await join(bob);
        const sender = await join(alice);
        await sendMany(sender, bob, 3);
        const refused = await sender.request(sendTo(bob));
        expect(refused).toMatchObject({ code: 'RATE_LIMITED', retryAfter: 1_000 });
        await hub.advance(1_000);
        expect(await sender.codeOf(sendTo(bob))).toBe('sent');
        expect(await sender.codeOf(sendTo(bob))).toBe('RATE_LIMITED');
      }));

    test('a new connection does not refill the rate, and another sender has its own', () =>
      withHub(start, { limits: { sendBurst: 2, sendsPerSecond: 1 } }, async (scene) => {
        const { alice, bob, join } = scene;
        const other = await join(bob);
        await sendMany(await join(alice), bob, 2);
        const again = await join(alice);
        expect(await again.codeOf(sendTo(bob))).toBe('RATE_LIMITED');
        expect(await other.codeOf(sendTo(alice))).toBe('sent');
      }));

    test('bytes are limited as messages are', () =>
      withHub(start, { limits: { sendBytesPerSecond: 200 } }, async ({ hub, alice, bob, join }) => {
        await join(bob);
        const sender = await join(alice);
        await sendMany(sender, bob, 3);
        const refused = await sender.request(sendTo(bob));
        expect(refused).toMatchObject({ code: 'RATE_LIMITED', retryAfter: 280 });
        await hub.advance(1_000);
        // Larger than the whole bucket: allowed from a full one, else it could never be sent.
        const blob = new Uint8Array(500);
        expect(await sender.codeOf(sendTo(bob, { blob }))).toBe('sent');
        expect(await sender.codeOf(sendTo(bob))).toBe('RATE_LIMITED');
      }));

    test('requests about keys and names are limited by what they cost', () =>
      withHub(start, { limits: { requestBurst: 4, requestsPerSecond: 1 } }, async (scene) => {
        const { hub, alice, join } = scene;
        const client = await join(alice);
        const nowMs = hub.clock();
        const keys = { signed: [], oneTime: alice.oneTimePrekeys(2, nowMs) };
        expect(await client.codeOf({ type: 'put_prekeys', ...keys })).toBe('ok');
        expect(await client.codeOf({ type: 'list' })).toBe('agents');
        expect(await client.codeOf({ type: 'list' })).toBe('RATE_LIMITED');
        expect(await client.codeOf(sendTo(alice))).toBe('sent');
      }));
  });
}

/** How much there may be of anything. */
export function hubSizes(start: StartHub): void {
  describe('sizes', () => {
    test('no more envelopes of one sender wait for their answer than allowed', () =>
      withHub(start, { limits: { inFlight: 3 } }, async ({ alice, bob, join }) => {
        await join(bob);
        const sender = await join(alice);
        const codes = await Promise.all([1, 2, 3, 4].map(() => sender.codeOf(sendTo(bob))));
        expect(codes.toSorted()).toEqual(['RATE_LIMITED', 'sent', 'sent', 'sent']);
        expect(await sender.codeOf(sendTo(bob))).toBe('sent');
      }));

    test('one sender fills its share of a queue and not more', () =>
      withHub(start, { limits: { queueMessages: 8 } }, async ({ hub, alice, bob, carol, join }) => {
        (await join(bob)).close();
        await hub.advance(1_000);
        const sender = await join(alice);
        await sendMany(sender, bob, 2);
        expect(await sender.codeOf(sendTo(bob))).toBe('QUEUE_FULL');
        expect(await (await join(carol)).codeOf(sendTo(bob))).toBe('sent');
      }));

    test('the size of a blob is limited exactly', () =>
      withHub(start, { limits: { blobBytes: 1_000 } }, async ({ alice, bob, join }) => {
        await join(bob);
        const sender = await join(alice);
        const ofSize = (size: number) => sendTo(bob, { blob: new Uint8Array(size) });
        expect(await sender.codeOf(ofSize(1_000))).toBe('sent');
        expect(await sender.codeOf(ofSize(1_001))).toBe('TOO_LARGE');
      }));

    test('the time to live is limited as the hub says in its greeting', () =>
      withHub(start, { limits: { maxTtlSeconds: 100 } }, async ({ alice, bob, join }) => {
        await join(bob);
        const sender = await join(alice);
        expect(await sender.codeOf(sendTo(bob, { ttl: 100 }))).toBe('sent');
        expect(await sender.codeOf(sendTo(bob, { ttl: 101 }))).toBe('BAD_FRAME');
      }));
  });
}

/** The largest that passes, and what is too much. */
export function hubExtremes(start: StartHub): void {
  describe('extremes', () => {
    test('the largest envelope passes, one byte more does not', () =>
      withHub(start, {}, async ({ alice, bob, join }) => {
        const receiver = await join(bob);
        const sender = await join(alice);
        const blob = new Uint8Array(1_048_576).fill(7);
        expect(await sender.codeOf(sendTo(bob, { blob }))).toBe('sent');
        const { envelope: delivered } = await receiver.next('deliver');
        expect(Buffer.compare(delivered.blob, blob)).toBe(0);
        const { envelope } = sendTo(bob);
        const text = JSON.stringify({
          type: 'send',
          id: 77,
          envelope: {
            id: Buffer.from(envelope.id).toString('base64url'),
            to: Buffer.from(envelope.to).toString('base64url'),
            ttl: 9,
            blob: Buffer.alloc(1_048_577).toString('base64url'),
          },
        });
        sender.sendText(text);
        expect(await sender.next('error')).toMatchObject({ re: 77, code: 'TOO_LARGE' });
      }));

    test('who goes on when refused is closed as a flood, and comes back', () =>
      withHub(
        start,
        { limits: { sendBurst: 1, sendsPerSecond: 1, refusedPerSecond: 1, refusedBurst: 5 } },
        async ({ hub, alice, bob, join }) => {
          await join(bob);
          const sender = await join(alice);
          await sendMany(sender, bob, 1);
          for (let at = 0; at < 6; at++) sender.send({ ...sendTo(bob), id: at });
          expect(await sender.next('bye')).toMatchObject({ type: 'bye', code: 'FLOOD' });
          await sender.closed();
          await hub.advance(2_000);
          expect(await (await join(alice)).codeOf(sendTo(bob))).toBe('sent');
        },
      ));
  });
}
