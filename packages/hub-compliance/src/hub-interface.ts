/**
 * The hub suite's part about the `Hub` interface that agents use (protocol's `hub`): what is
 * promised of calls, replies and news. Owns the tests.
 */
import { describe, expect, test } from '@jest/globals';
import type { Delivery, HubConnection, HubEvents } from '@agentmesh/protocol';
import { sendTo, withHub } from './hub-samples.js';
import type { HubUnderTest, StartHub } from './hub-under-test.js';
import type { TestAgent } from './test-agent.js';

/** Events as a list, and the connection they belong to. */
async function connect(hub: HubUnderTest, agent: TestAgent) {
  const news: string[] = [];
  const deliveries: Delivery[] = [];
  let connected = false;
  const note = (what: string): void => {
    news.push(connected ? what : `${what} before connect resolved`);
  };
  const events: HubEvents = {
    authenticated: () => note('authenticated'),
    deliver: (delivery) => {
      note('deliver');
      deliveries.push(delivery);
    },
    notice: ({ what }) => note(what),
    down: () => note('down'),
    closed: (error) => note(`closed ${error?.code ?? 'by us'}`),
  };
  const connection: HubConnection = await hub.hub.connect(agent.credentials(), events);
  connected = true;
  return { connection, news, deliveries };
}

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'resolved',
    (error: unknown) => (error as { code?: unknown }).code,
  );

/** Connections as agents make them. */
export function hubInterface(start: StartHub): void {
  describe('the Hub interface', () => {
    test('every verb passes, and news come in order after connect has resolved', () =>
      withHub(start, {}, async ({ hub, alice, bob }) => {
        const first = await connect(hub, bob);
        const nowMs = hub.clock();
        const { hubId, lastInstance } = first.connection.session;
        expect(lastInstance).toBeNull();
        const record = bob.record({ hubId, nowMs });
        expect(await first.connection.putIdentity(record)).toMatchObject({ oneTimePrekeys: 0 });
        const signed = [bob.signedPrekey(1, nowMs)];
        const oneTime = bob.oneTimePrekeys(2, nowMs);
        const keys = await first.connection.putPrekeys({ signed, oneTime });
        expect(keys.oneTimePrekeys).toBe(2);
        await first.connection.close();
        const sender = await connect(hub, alice);
        const delivered = ['deliver', 'deliver', 'deliver', 'deliver', 'deliver'];
        for (let at = 0; at < 5; at++) await sender.connection.send(outgoing(bob));
        const again = await connect(hub, bob);
        expect(again.connection.session).toMatchObject({ ...keys, lastBoot: bob.boot, queued: 5 });
        await hub.advance(1_000);
        expect(again.news).toEqual(delivered);
        const bundle = await sender.connection.getBundle('bob', { oneTime: true });
        expect(bundle).toEqual({ record, signed: signed[0], oneTime: oneTime[0] });
        const page = await sender.connection.list({ prefix: 'b' });
        expect(page).toEqual({ names: ['bob'], next: null });
        const [delivery] = again.deliveries;
        again.connection.nack({ seq: delivery?.seq ?? 0, delayMs: 0, reason: 'STORAGE' });
        again.connection.ack(again.deliveries.slice(1).map(({ seq }) => seq));
        again.connection.credit({ messages: 5, bytes: 1_000 });
        await hub.advance(1_000);
        expect(again.deliveries.at(-1)).toMatchObject({ seq: delivery?.seq, attempt: 2 });
        await again.connection.close();
        expect(again.news).toEqual([...delivered, 'deliver', 'closed by us']);
      }));

    test('a refusal is a typed error with the code and whether to try again', () =>
      withHub(start, {}, async ({ hub, alice, bob, carol }) => {
        const { connection } = await connect(hub, alice);
        const refused = connection.send(outgoing(bob));
        await expect(refused).rejects.toMatchObject({
          code: 'UNKNOWN_RECIPIENT',
          retryable: false,
        });
        const missing = connection.getBundle('bob', { oneTime: true });
        await expect(missing).rejects.toThrow("Peer 'bob' not found on hub");
        const taken = hub.hub.connect(carol.credentials({ name: 'alice' }), silent);
        expect(await codeOf(taken)).toBe('NAME_TAKEN');
        expect(await codeOf(connection.list({}))).toBe('resolved');
      }));

    test('replies find their requests, however many are open', () =>
      withHub(start, {}, async ({ hub, alice, bob }) => {
        await connect(hub, bob);
        const { connection } = await connect(hub, alice);
        const jobs = Array.from({ length: 30 }, (_, at) =>
          at % 3 === 0 ? connection.list({ max: 1 }) : connection.send(outgoing(bob)),
        );
        const results = await Promise.all(jobs);
        const seqs = results.flatMap((result) => ('seq' in result ? [result.seq] : []));
        expect(new Set(seqs).size).toBe(20);
      }));
  });
}

/** When connections end, and when not. */
export function hubInterfaceEnds(start: StartHub): void {
  describe('the end of a connection', () => {
    test('after close nothing is sent and requests are refused', () =>
      withHub(start, {}, async ({ hub, alice, bob }) => {
        const receiver = await connect(hub, bob);
        const { connection } = await connect(hub, alice);
        const open = codeOf(connection.send(outgoing(bob)));
        await connection.close();
        expect(await open).toBe('CONNECTION_LOST');
        expect(await codeOf(connection.send(outgoing(bob)))).toBe('CONNECTION_LOST');
        connection.ack([1]);
        await connection.close();
        await hub.advance(1_000);
        expect(receiver.news.every((what) => what === 'deliver')).toBe(true);
      }));

    test('a displaced connection ends with DISPLACED and is not restored', () =>
      withHub(start, {}, async ({ hub, bob }) => {
        const older = await connect(hub, bob);
        await connect(hub, bob);
        await hub.advance(2_000);
        expect(older.news).toEqual(['closed DISPLACED']);
      }));

    test('a revoked identity ends with REVOKED, is not restored and not let in again', () =>
      withHub(start, {}, async ({ hub, alice, bob }) => {
        const victim = await connect(hub, bob);
        const nowMs = hub.clock();
        const { hubId } = victim.connection.session;
        const record = bob.record({ hubId, nowMs });
        await victim.connection.putIdentity(record);
        const { connection } = await connect(hub, alice);
        const revocation = bob.revocation(nowMs);
        await connection.putRevocation(revocation);
        await hub.advance(2_000);
        expect(victim.news).toEqual(['closed REVOKED']);
        expect(await codeOf(hub.hub.connect(bob.credentials(), silent))).toBe('REVOKED');
        const bundle = await connection.getBundle('bob', { oneTime: true });
        expect(bundle).toEqual({ record, revocation });
        expect(await codeOf(connection.send(outgoing(bob)))).toBe('REVOKED');
        const own = alice.revocation(nowMs);
        await connection.putIdentity(alice.record({ hubId, nowMs }));
        expect(await codeOf(connection.putRevocation(own))).toBe('resolved');
      }));

    test('an idle connection is kept alive by itself', () =>
      withHub(start, {}, async ({ hub, alice, bob }) => {
        const receiver = await connect(hub, bob);
        const { connection } = await connect(hub, alice);
        await hub.advance(200_000);
        await connection.send(outgoing(bob));
        await hub.advance(1_000);
        expect(receiver.news).toEqual(['deliver']);
      }));

    test('a clock that is set or a machine that slept does not end connections', () =>
      withHub(start, {}, async ({ hub, bob }) => {
        const { connection, news } = await connect(hub, bob);
        await hub.jump(15 * 86_400_000);
        await hub.jump(-3_600_000);
        expect(await codeOf(connection.list({}))).toBe('resolved');
        expect(news).toEqual([]);
      }));
  });
}

const silent: HubEvents = {
  authenticated: () => undefined,
  deliver: () => undefined,
  notice: () => undefined,
  down: () => undefined,
  closed: () => undefined,
};

function outgoing(recipient: TestAgent) {
  const { id, to, ttl, blob } = sendTo(recipient).envelope;
  return { id, to, ttlSeconds: ttl, blob };
}
