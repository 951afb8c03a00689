/**
 * The hub suite's part about what was accepted and not delivered: the sender is told, at least once
 * (hub.md §2). Owns the tests.
 */
import { describe, expect, test } from '@jest/globals';
import { PROTOCOL_LIMITS } from '@agentmesh/protocol';
import { deliveredIds, sendTo, withHub } from './hub-samples.js';
import type { Scene } from './hub-samples.js';
import type { StartHub } from './hub-under-test.js';
import type { RawClient } from './raw-client.js';

/** Time in which every client keeps its connection. */
async function live({ hub }: Scene, clients: readonly RawClient[], ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += PROTOCOL_LIMITS.heartbeatMs) {
    await hub.advance(PROTOCOL_LIMITS.heartbeatMs);
    for (const client of clients) await client.request({ type: 'ping' });
  }
}

/** An envelope for Bob, who is away, whose time is over; Alice has gone too. */
async function expireUnseen(scene: Scene): Promise<Uint8Array> {
  const { hub, alice, bob, join } = scene;
  (await join(bob)).close();
  const sender = await join(alice);
  const request = sendTo(bob, { ttl: 2 });
  await sender.request(request);
  sender.close();
  await hub.advance(1_000);
  const other = await join(bob);
  other.close();
  return request.envelope.id;
}

/** Envelopes and ids whose time is over. */
export function hubExpiry(start: StartHub): void {
  describe('expiry', () => {
    test('an envelope whose time is over is not delivered, and its sender is told', () =>
      withHub(start, {}, async ({ hub, alice, bob, join }) => {
        (await join(bob)).close();
        const sender = await join(alice);
        const request = sendTo(bob, { ttl: 5 });
        const kept = sendTo(bob, { ttl: 60 });
        await sender.request(request);
        await sender.request(kept);
        await hub.advance(4_000);
        expect(sender.all('notice')).toEqual([]);
        await hub.advance(3_000);
        const notice = { type: 'notice', id: request.envelope.id, what: 'expired' };
        expect(await sender.next('notice')).toEqual(notice);
        const receiver = await join(bob);
        await receiver.settle();
        expect(deliveredIds(receiver)).toEqual([kept.envelope.id]);
      }));

    test('an id is known for a day beyond its envelope, then it may be used again', () =>
      withHub(start, {}, async ({ hub, alice, bob, join }) => {
        (await join(bob)).close();
        const request = sendTo(bob, { ttl: 5 });
        await (await join(alice)).request(request);
        await hub.advance(10_000);
        const again = await (await join(alice)).request(request);
        const known = hub.forgetsGone === true ? {} : { duplicate: true };
        expect(again).toMatchObject({ type: 'sent', ...known });
        for (let hours = 0; hours < 25; hours++) await hub.jump(3_600_000);
        expect(await (await join(alice)).request(request)).toMatchObject({ duplicate: false });
      }));
  });
}

/** Envelopes that nobody takes. */
export function hubDeadLetters(start: StartHub): void {
  describe('dead letters', () => {
    test('after the last attempt an envelope is dead and its sender is told', () =>
      withHub(start, { limits: { deliveryAttempts: 3 } }, async ({ hub, alice, bob, join }) => {
        const sender = await join(alice);
        const receiver = await join(bob);
        const request = sendTo(bob);
        await sender.request(request);
        for (const attempt of [1, 2, 3]) {
          const { seq, ...deliver } = await receiver.next('deliver');
          expect(deliver.attempt).toBe(attempt);
          expect(sender.all('notice')).toEqual([]);
          receiver.send({ type: 'nack', seq, delay: 0, reason: 'INTERNAL' });
        }
        const notice = { type: 'notice', id: request.envelope.id, what: 'dead_lettered' };
        expect(await sender.next('notice')).toEqual(notice);
        await hub.advance(5_000);
        expect(deliveredIds(receiver)).toEqual([]);
        expect(await sender.request(request)).toMatchObject({ duplicate: true });
      }));

    test('lost connections count as attempts too', () =>
      withHub(start, { limits: { deliveryAttempts: 2 } }, async ({ hub, alice, bob, join }) => {
        const sender = await join(alice);
        await sender.request(sendTo(bob)).catch(() => undefined);
        for (const attempt of [1, 2]) {
          const receiver = await join(bob);
          if (attempt === 1) await sender.request(sendTo(bob));
          expect((await receiver.next('deliver')).attempt).toBe(attempt);
          receiver.close();
          await hub.advance(1_000);
        }
        expect(await sender.next('notice')).toMatchObject({ what: 'dead_lettered' });
      }));
  });
}

/** Senders are told, at least once. */
export function hubNotices(start: StartHub): void {
  describe('notices', () => {
    test('a sender that was away is told when it connects', () =>
      withHub(start, {}, async (scene) => {
        const id = await expireUnseen(scene);
        const bob = await scene.join(scene.bob);
        await live(scene, [bob], PROTOCOL_LIMITS.heartbeatMs);
        const sender = await scene.join(scene.alice);
        expect(await sender.next('notice')).toEqual({ type: 'notice', id, what: 'expired' });
      }));

    test('a notice is told again until it was surely read, over a crash of the hub too', () =>
      withHub(start, {}, async (scene) => {
        const { hub, alice, bob, join } = scene;
        const id = await expireUnseen(scene);
        await live(scene, [await join(bob)], PROTOCOL_LIMITS.heartbeatMs);
        for (let round = 0; round < 3; round++) {
          const sender = await join(alice);
          expect((await sender.next('notice')).id).toEqual(id);
          // What is said soon after proves nothing: it may have been on its way already.
          await sender.settle();
          sender.close();
          await hub.advance(1_000);
        }
        await hub.restart();
        const sender = await join(alice);
        expect((await sender.next('notice')).id).toEqual(id);
        await live(scene, [sender], PROTOCOL_LIMITS.silenceMs + 2 * PROTOCOL_LIMITS.heartbeatMs);
        sender.close();
        await hub.restart();
        const later = await join(alice);
        await later.settle();
        expect(later.all('notice')).toEqual([]);
      }));
  });
}
