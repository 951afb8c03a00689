/**
 * The hub suite's part about revocation (protocol.md §2.13, hub.md §2): whichever agent
 * shows one, an identity that is revoked is never served by this hub again. Owns the tests.
 */
import { describe, expect, test } from '@jest/globals';
import type { HubCredentials, HubFrame } from '@agentmesh/protocol';
import { hubIdOfHub, sendMany, sendTo, withHub } from './hub-samples.js';
import type { HubUnderTest, StartHub } from './hub-under-test.js';
import { RawClient } from './raw-client.js';
import { seededRandom } from './seeded-random.js';
import { TestAgent } from './test-agent.js';

const put = (client: RawClient, revocation: Uint8Array): Promise<string> =>
  client.codeOf({ type: 'put_revocation', revocation });

const bundleOf = (client: RawClient, peer: string): Promise<HubFrame> =>
  client.request({ type: 'get_bundle', peer, oneTime: true });

/** The code with which an authentication is refused. */
async function refusalOf(hub: HubUnderTest, credentials: HubCredentials): Promise<string> {
  const client = await RawClient.connect(hub);
  client.send((await client.auth(credentials)).frame);
  const { code } = await client.next('error');
  await client.closed();
  return code;
}

/** What follows from a revocation. */
export function hubRevocation(start: StartHub): void {
  describe('revocation', () => {
    test('T-K10 revocation: whichever agent shows it, the identity is shut out and its record says why', () =>
      withHub(start, {}, async ({ hub, alice, bob, carol, join, publish }) => {
        const victim = await publish(bob, 3);
        const revocation = bob.revocation(hub.clock());
        expect(await put(await join(carol), revocation)).toBe('ok');
        expect(await victim.next('bye')).toMatchObject({ code: 'REVOKED' });
        await victim.closed();
        const record = bob.record({ hubId: await hubIdOfHub(hub), nowMs: hub.clock() });
        for (const restarted of [false, true]) {
          if (restarted) await hub.restart();
          expect(await refusalOf(hub, bob.credentials())).toBe('REVOKED');
          const client = await join(alice);
          for (const peer of ['bob', bob.address]) {
            const bundle = { type: 'bundle', re: expect.anything(), record, revocation };
            expect(await bundleOf(client, peer)).toEqual(bundle);
          }
          expect(await client.codeOf(sendTo(bob))).toBe('REVOKED');
          const other = new TestAgent('bob', seededRandom(93));
          expect(await refusalOf(hub, other.credentials())).toBe('NAME_TAKEN');
          expect(await client.request({ type: 'list' })).toMatchObject({ names: [] });
        }
      }));

    test('an agent that revokes itself gets the answer first, and nothing more', () =>
      withHub(start, {}, async ({ hub, alice, bob, join, publish }) => {
        const client = await publish(bob);
        const nowMs = hub.clock();
        const hubId = await hubIdOfHub(hub);
        const next = new TestAgent('bob', seededRandom(92));
        const record = next.record({ hubId, nowMs, previous: bob });
        const [re, later] = [client.nextId(), client.nextId()];
        client.send({ type: 'put_revocation', id: re, revocation: bob.revocation(nowMs) });
        client.send({ type: 'put_identity', id: later, record });
        expect(await client.next('ok')).toMatchObject({ re });
        expect(await client.next('bye')).toMatchObject({ code: 'REVOKED' });
        await client.closed();
        expect(client.all('ok')).toEqual([]);
        expect(await refusalOf(hub, next.credentials())).toBe('NAME_TAKEN');
        const bundle = await bundleOf(await join(alice), 'bob');
        expect(bundle).toMatchObject({ revocation: bob.revocation(nowMs) });
      }));
  });
}

/** Revocations beside others: the same again, another one, a successor. */
export function hubRevocationAgain(start: StartHub): void {
  describe('a revocation', () => {
    test('once more is no error, and the first revocation is the one that is served', () =>
      withHub(start, {}, async ({ hub, alice, bob, join, publish }) => {
        await publish(bob);
        const client = await join(alice);
        const first = bob.revocation(hub.clock());
        const second = bob.revocation(hub.clock() + 1);
        for (const revocation of [first, first, second]) {
          expect(await put(client, revocation)).toBe('ok');
        }
        await hub.restart();
        const later = await join(alice);
        expect(await put(later, second)).toBe('ok');
        expect(await bundleOf(later, 'bob')).toMatchObject({ revocation: first });
      }));

    test('of a retired identity says nothing of its successor', () =>
      withHub(start, {}, async ({ hub, alice, bob, join, publish }) => {
        const old = await publish(bob);
        const next = new TestAgent('bob', seededRandom(91));
        const hubId = await hubIdOfHub(hub);
        const nowMs = hub.clock();
        const record = next.record({ hubId, nowMs, previous: bob });
        await old.request({ type: 'put_identity', record });
        expect(await put(await join(alice), bob.revocation(nowMs))).toBe('ok');
        await old.closed();
        expect(await refusalOf(hub, bob.credentials())).toBe('REVOKED');
        const client = await join(next);
        expect(await client.codeOf(sendTo(next))).toBe('sent');
        expect(await client.codeOf(sendTo(bob))).toBe('REVOKED');
        const revoked = await bundleOf(client, bob.address);
        expect(revoked).toMatchObject({ revocation: bob.revocation(nowMs) });
      }));
  });
}

/** Envelopes on their way to a revoked identity. */
export function hubRevokedQueues(start: StartHub): void {
  describe('the queue of a revoked identity', () => {
    test('is emptied, its senders are told, and what they send again is known', () =>
      withHub(
        start,
        { limits: { pageMessages: 3 } },
        async ({ hub, alice, bob, join, publish }) => {
          (await publish(bob)).close();
          await hub.advance(1_000);
          const sender = await join(alice);
          const ids = await sendMany(sender, bob, 7);
          const delayed = sendTo(bob);
          await sender.request(delayed);
          expect(await put(sender, bob.revocation(hub.clock()))).toBe('ok');
          const told: Uint8Array[] = [];
          while (told.length < 8) {
            const { id, what } = await sender.next('notice');
            expect(what).toBe('dead_lettered');
            told.push(id);
          }
          expect(told).toEqual([...ids, delayed.envelope.id]);
          expect(await sender.request(delayed)).toMatchObject({ type: 'sent', duplicate: true });
          expect(await sender.codeOf(sendTo(bob))).toBe('REVOKED');
          expect(await sender.codeOf(sendTo(alice))).toBe('sent');
        },
      ));

    test('is emptied of what was in flight or refused for a while, too', () =>
      withHub(start, {}, async ({ hub, alice, bob, join, publish }) => {
        const receiver = await publish(bob);
        const sender = await join(alice);
        const ids = await sendMany(sender, bob, 2);
        const { seq } = await receiver.next('deliver');
        receiver.send({ type: 'nack', seq, delay: 60_000, reason: 'STORAGE' });
        await receiver.settle();
        expect(await put(sender, bob.revocation(hub.clock()))).toBe('ok');
        await receiver.closed();
        await hub.advance(2_000);
        await sender.settle();
        const told = sender.all('notice').map(({ id }) => id);
        expect(told).toEqual(ids);
      }));
  });
}

/** What revokes nobody. */
export function hubRevocationRefusals(start: StartHub): void {
  describe('refused revocations', () => {
    test('what its owner did not sign revokes nobody', () =>
      withHub(start, {}, async ({ hub, alice, bob, carol, join, publish }) => {
        const owner = await publish(bob);
        const client = await join(alice);
        const genuine = bob.revocation(hub.clock());
        const changed = (at: number) => {
          const bytes = genuine.slice();
          bytes[at] = (bytes[at] ?? 0) ^ 1;
          return bytes;
        };
        const byCarol = carol.revocation(hub.clock());
        byCarol.set(bob.aid, 5);
        expect(await put(client, byCarol)).toBe('BAD_RECORD');
        // Magic, version, time, reason, signature.
        for (const at of [0, 4, 44, 45, 46, 109]) {
          expect(await put(client, changed(at))).toBe('BAD_RECORD');
        }
        expect(await client.codeOf(sendTo(bob))).toBe('sent');
        expect((await owner.next('deliver')).envelope.from).toEqual(alice.aid);
        expect(await bundleOf(client, 'bob')).not.toHaveProperty('revocation');
      }));

    test('an identity of which the hub knows no record cannot be revoked', () =>
      withHub(start, {}, async ({ hub, alice, bob, carol, join }) => {
        const client = await join(alice);
        await join(bob);
        expect(await put(client, carol.revocation(hub.clock()))).toBe('PEER_NOT_FOUND');
        expect(await put(client, bob.revocation(hub.clock()))).toBe('PEER_NOT_FOUND');
        expect(await client.codeOf(sendTo(bob))).toBe('sent');
      }));
  });
}
