/**
 * The hub suite's part about public keys: publishing, fetching, listing, succession (hub.md §2).
 * Owns the tests.
 */
import { describe, expect, test } from '@jest/globals';
import { keyDigest } from '@agentmesh/protocol';
import type { HubFrame } from '@agentmesh/protocol';
import { hubIdOfHub, sendTo, withHub } from './hub-samples.js';
import type { StartHub } from './hub-under-test.js';
import { RawClient } from './raw-client.js';
import { TestAgent } from './test-agent.js';
import { seededRandom } from './seeded-random.js';

const FETCH_LIMITS = {
  oneTimeFetchesPerPairPerMinute: 2,
  oneTimeFetchesPerTargetPerMinute: 5,
  oneTimeFetchesPerRequesterPerMinute: 3,
};

const bundleOf = (client: RawClient, peer: string, oneTime = true): Promise<HubFrame> =>
  client.request({ type: 'get_bundle', peer, oneTime });

/** Which of `times` fetches got a one-time prekey. */
async function oneTimes(client: RawClient, peer: string, times: number): Promise<boolean[]> {
  const served: boolean[] = [];
  for (let at = 0; at < times; at++) {
    const bundle = await bundleOf(client, peer);
    served.push(bundle.type === 'bundle' && bundle.oneTime !== undefined);
  }
  return served;
}

/** What was published is served. */
export function hubPublishing(start: StartHub): void {
  describe('publishing', () => {
    test('a published bundle is served byte for byte, by name and by address', () =>
      withHub(start, {}, async ({ hub, alice, bob, join, publish }) => {
        await publish(bob);
        const nowMs = hub.clock();
        const record = bob.record({ hubId: await hubIdOfHub(hub), nowMs });
        const client = await join(alice);
        const byName = await bundleOf(client, 'bob');
        expect(byName).toMatchObject({ type: 'bundle', record });
        expect(byName).not.toHaveProperty('oneTime');
        expect(await bundleOf(client, bob.address)).toMatchObject({ type: 'bundle', record });
      }));

    test('ok tells the digest of what is stored, and auth_ok tells it again', () =>
      withHub(start, {}, async ({ hub, bob, join }) => {
        const client = await join(bob);
        const nowMs = hub.clock();
        const signed = bob.signedPrekey(1, nowMs);
        const oneTime = bob.oneTimePrekeys(3, nowMs, 5);
        const ok = await client.request({ type: 'put_prekeys', signed: [signed], oneTime });
        const digest = keyDigest(signed, [5, 6, 7]);
        expect(ok).toMatchObject({ type: 'ok', oneTimePrekeys: 3, keyDigest: digest });
        await hub.restart();
        const again = await RawClient.connect(hub);
        again.send((await again.auth(bob.credentials())).frame);
        expect(await again.next('auth_ok')).toMatchObject({ keyDigest: digest });
      }));
  });
}

/** Records that are not published. */
export function hubRecordRefusals(start: StartHub): void {
  describe('refused records', () => {
    test('T-A6 put-for-another: nobody publishes keys of another', () =>
      withHub(start, {}, async ({ hub, alice, bob, carol, join, publish }) => {
        await publish(bob);
        const client = await join(alice);
        const hubId = await hubIdOfHub(hub);
        const nowMs = hub.clock();
        const before = await bundleOf(client, 'bob', false);
        const records = [
          bob.record({ hubId, nowMs, revision: 9 }),
          bob.record({ hubId, nowMs, name: 'alice' }),
          alice.record({ hubId, nowMs, name: 'bob' }),
          bob.record({ hubId, nowMs, name: 'alice', previous: carol }),
        ];
        for (const record of records) {
          const code = await client.codeOf({ type: 'put_identity', record });
          expect(['NOT_OWNER', 'BAD_RECORD']).toContain(code);
        }
        const keys = { signed: [bob.signedPrekey(8, nowMs)], oneTime: [], replaceAll: true };
        expect(await client.codeOf({ type: 'put_prekeys', ...keys })).toBe('BAD_PREKEY');
        const after = await bundleOf(client, 'bob', false);
        expect({ ...after, re: 0 }).toEqual({ ...before, re: 0 });
        expect(await bundleOf(client, 'alice')).toMatchObject({ code: 'PEER_NOT_FOUND' });
      }));

    test('a record for another hub, expired, damaged or older is refused', () =>
      withHub(start, {}, async ({ hub, bob, join }) => {
        const client = await join(bob);
        const hubId = await hubIdOfHub(hub);
        const nowMs = hub.clock();
        const good = bob.record({ hubId, nowMs, revision: 5 });
        const damaged = good.slice();
        damaged[100] = (damaged[100] ?? 0) ^ 1;
        const put = (record: Uint8Array) => client.codeOf({ type: 'put_identity', record });
        expect(await put(good)).toBe('ok');
        expect(await put(bob.record({ hubId: new Uint8Array(32), nowMs }))).toBe('BAD_RECORD');
        const over = { hubId, nowMs: nowMs - 10, validForMs: 5, revision: 6 };
        expect(await put(bob.record(over))).toBe('BAD_RECORD');
        expect(await put(damaged)).toBe('BAD_RECORD');
        expect(await put(bob.record({ hubId, nowMs, revision: 4 }))).toBe('BAD_RECORD');
        expect(await put(bob.record({ hubId, nowMs: nowMs + 1, revision: 5 }))).toBe('BAD_RECORD');
        expect(await put(good)).toBe('ok');
        await client.request({
          type: 'put_prekeys',
          signed: [bob.signedPrekey(1, nowMs)],
          oneTime: [],
        });
        expect(await bundleOf(client, 'bob')).toMatchObject({ record: good });
      }));
  });
}

/** Prekeys that are not published. */
export function hubPrekeyRefusals(start: StartHub): void {
  describe('refused prekeys', () => {
    test('a bad prekey spoils the whole upload', () =>
      withHub(start, {}, async ({ hub, bob, join }) => {
        const client = await join(bob);
        const nowMs = hub.clock();
        const signed = bob.signedPrekey(1, nowMs);
        const damaged = bob.oneTimePrekey(3, nowMs);
        damaged[50] = (damaged[50] ?? 0) ^ 1;
        const bad = [
          [bob.oneTimePrekey(2, nowMs), damaged],
          [bob.oneTimePrekey(2, nowMs - 10, 5)],
          [bob.oneTimePrekey(2, nowMs), bob.oneTimePrekey(2, nowMs)],
          [bob.signedPrekey(2, nowMs)],
        ];
        for (const oneTime of bad) {
          const code = await client.codeOf({ type: 'put_prekeys', signed: [signed], oneTime });
          expect(code).toBe('BAD_PREKEY');
        }
        expect(
          await client.request({ type: 'put_prekeys', signed: [], oneTime: [] }),
        ).toMatchObject({ type: 'ok', oneTimePrekeys: 0, keyDigest: null });
      }));

    test('the limit of one-time prekeys is exact', () =>
      withHub(start, { limits: { oneTimePrekeys: 3 } }, async ({ hub, bob, join }) => {
        const client = await join(bob);
        const nowMs = hub.clock();
        const put = (count: number, first: number) =>
          client.codeOf({
            type: 'put_prekeys',
            signed: [],
            oneTime: bob.oneTimePrekeys(count, nowMs, first),
          });
        expect(await put(4, 1)).toBe('LIMIT');
        expect(await put(3, 1)).toBe('ok');
        expect(await put(1, 9)).toBe('LIMIT');
      }));
  });
}

/** What is handed out. */
export function hubFetching(start: StartHub): void {
  describe('fetching', () => {
    test('no one-time prekey is handed out twice', () =>
      withHub(start, {}, async ({ alice, bob, carol, join, publish }) => {
        await publish(bob, 5);
        const clients = await Promise.all([join(alice), join(carol)]);
        const turns = clients.flatMap((client) => [client, client, client, client]);
        const bundles = await Promise.all(turns.map((client) => bundleOf(client, 'bob')));
        const served = bundles.flatMap((bundle) =>
          bundle.type === 'bundle' && bundle.oneTime !== undefined ? [bundle.oneTime.join()] : [],
        );
        expect(served).toHaveLength(5);
        expect(new Set(served).size).toBe(5);
        expect(bundles.every((bundle) => bundle.type === 'bundle')).toBe(true);
      }));

    test('an agent that is not there, or has published nothing, is not found', () =>
      withHub(start, {}, async ({ alice, bob, join }) => {
        const client = await join(alice);
        await join(bob);
        for (const peer of ['nobody', 'bob', bob.address, `am2${'a'.repeat(52)}`]) {
          expect(await bundleOf(client, peer)).toMatchObject({
            code: 'PEER_NOT_FOUND',
            message: `Peer '${peer}' not found on hub`,
          });
        }
      }));

    test('whoever is listed can be written to', () =>
      withHub(start, {}, async ({ hub, alice, bob, carol, join, publish }) => {
        const client = await publish(alice);
        const bobs = await join(bob);
        await publish(carol);
        expect(await client.request({ type: 'list' })).toMatchObject({ names: ['alice', 'carol'] });
        const signed = [bob.signedPrekey(2, hub.clock())];
        const put = await bobs.request({ type: 'put_prekeys', signed, oneTime: [] });
        expect(put).toMatchObject({ type: 'ok' });
        expect(await client.request({ type: 'list' })).toMatchObject({ names: ['alice', 'carol'] });
        expect(await bundleOf(client, 'bob')).toMatchObject({ code: 'PEER_NOT_FOUND' });
        await publish(bob);
        const { names } = (await client.request({ type: 'list' })) as { names: string[] };
        expect(names).toEqual(['alice', 'bob', 'carol']);
        for (const name of names) {
          expect(await bundleOf(client, name)).toMatchObject({ type: 'bundle' });
        }
      }));

    test('names are listed by prefix in pages', () =>
      withHub(start, {}, async ({ alice, bob, carol, publish }) => {
        const client = await publish(alice);
        await publish(carol);
        await publish(bob);
        const first = await client.request({ type: 'list', max: 2 });
        expect(first).toMatchObject({ names: ['alice', 'bob'], next: 'bob' });
        const second = await client.request({ type: 'list', max: 2, cursor: 'bob' });
        expect(second).toMatchObject({ names: ['carol'], next: null });
        const some = await client.request({ type: 'list', prefix: 'c' });
        expect(some).toMatchObject({ names: ['carol'], next: null });
      }));
  });
}

/** How often a one-time prekey is handed out. */
export function hubFetchLimits(start: StartHub): void {
  describe('fetch limits', () => {
    test('fetch limits of pair, target and requester leave the signed prekey alone', () =>
      withHub(
        start,
        { limits: FETCH_LIMITS },
        async ({ hub, alice, bob, carol, join, publish }) => {
          await publish(bob, 20);
          const carols = await publish(carol, 20);
          const alices = await join(alice);
          expect(await oneTimes(alices, 'bob', 3)).toEqual([true, true, false]);
          // By requester: 3 in all.
          expect(await oneTimes(alices, 'carol', 2)).toEqual([true, false]);
          expect(await oneTimes(alices, carol.address, 1)).toEqual([false]);
          expect(await oneTimes(carols, 'bob', 3)).toEqual([true, true, false]);
          // By target: 4 of 5 are taken.
          const dave = await join(new TestAgent('dave', seededRandom(11)));
          expect(await oneTimes(dave, 'bob', 2)).toEqual([true, false]);
          await hub.advance(30_000);
          expect(await oneTimes(alices, 'bob', 2)).toEqual([true, false]);
        },
      ));
  });
}

/** The only way in which a name changes its owner. */
export function hubSuccession(start: StartHub): void {
  describe('succession', () => {
    test('the old identity hands its name to the new one and may only receive', () =>
      withHub(start, {}, async ({ hub, alice, bob, join, publish }) => {
        const old = await publish(bob);
        const next = new TestAgent('bob', seededRandom(99));
        const hubId = await hubIdOfHub(hub);
        const nowMs = hub.clock();
        const record = next.record({ hubId, nowMs, previous: bob });
        expect(await old.codeOf({ type: 'put_identity', record })).toBe('ok');
        const later = bob.record({ hubId, nowMs, revision: 2 });
        expect(await old.codeOf(sendTo(alice))).toBe('NOT_OWNER');
        expect(await old.codeOf({ type: 'put_identity', record: later })).toBe('NOT_OWNER');
        const keys = { signed: [], oneTime: [] };
        expect(await old.codeOf({ type: 'put_prekeys', ...keys })).toBe('NOT_OWNER');
        const newer = await join(next);
        await newer.request({
          type: 'put_prekeys',
          signed: [next.signedPrekey(1, nowMs)],
          oneTime: [],
        });
        const sender = await join(alice);
        expect(await bundleOf(sender, 'bob')).toMatchObject({ record });
        expect(await sender.codeOf(sendTo(bob))).toBe('sent');
        expect(await old.next('deliver')).toMatchObject({ envelope: { to: bob.aid } });
        expect(await (await join(bob)).codeOf(sendTo(alice))).toBe('NOT_OWNER');
      }));

    test('without a valid successor signature the name stays', () =>
      withHub(start, {}, async ({ hub, bob, carol, join }) => {
        const client = await join(bob);
        const next = new TestAgent('bob', seededRandom(98));
        const hubId = await hubIdOfHub(hub);
        const nowMs = hub.clock();
        const forged = next.record({ hubId, nowMs, previous: bob }).slice();
        forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
        const records = [next.record({ hubId, nowMs }), forged];
        records.push(next.record({ hubId, nowMs, previous: carol }));
        for (const record of records) {
          const code = await client.codeOf({ type: 'put_identity', record });
          expect(['NOT_OWNER', 'BAD_RECORD']).toContain(code);
        }
        const intruder = await RawClient.connect(hub);
        intruder.send((await intruder.auth(next.credentials())).frame);
        expect(await intruder.next('error')).toMatchObject({ code: 'NAME_TAKEN' });
        expect(await client.codeOf(sendTo(bob))).toBe('sent');
      }));
  });
}

/** Succession as those see it who were away, or did not hear the answer. */
export function hubSuccessionRepeated(start: StartHub): void {
  describe('succession, later', () => {
    const DAY_MS = 86_400_000;

    test('a chain of records can be followed backwards by address, after 90 days too', () =>
      withHub(start, {}, async ({ hub, alice, bob, join, publish }) => {
        const first = await publish(bob, 2);
        const second = new TestAgent('bob', seededRandom(97));
        const third = new TestAgent('bob', seededRandom(96));
        const hubId = await hubIdOfHub(hub);
        const nowMs = hub.clock();
        const records = [
          bob.record({ hubId, nowMs }),
          second.record({ hubId, nowMs, previous: bob }),
          third.record({ hubId, nowMs, previous: second }),
        ] as const;
        expect(await first.codeOf({ type: 'put_identity', record: records[1] })).toBe('ok');
        const put = { type: 'put_identity', record: records[2] } as const;
        // The one in the middle never publishes a prekey.
        expect(await (await join(second)).codeOf(put)).toBe('ok');
        const last = await join(third);
        await last.request({
          type: 'put_prekeys',
          signed: [third.signedPrekey(1, nowMs)],
          oneTime: [],
        });
        for (const days of [0, 91]) {
          for (let day = 0; day < days; day++) await hub.jump(DAY_MS);
          const client = await join(alice);
          expect(await bundleOf(client, 'bob')).toMatchObject({ record: records[2] });
          for (const [agent, record] of [
            [second, records[1]],
            [bob, records[0]],
          ] as const) {
            const bundle = await bundleOf(client, agent.address);
            expect(bundle).toEqual({ type: 'bundle', re: expect.anything(), record });
          }
        }
      }));

    test('a retired identity finishes a rotation whose answer it did not hear', () =>
      withHub(start, {}, async ({ hub, bob, join, publish }) => {
        const old = await publish(bob);
        const next = new TestAgent('bob', seededRandom(95));
        const hubId = await hubIdOfHub(hub);
        const nowMs = hub.clock();
        const record = next.record({ hubId, nowMs, previous: bob });
        const put = { type: 'put_identity', record } as const;
        expect(await old.codeOf(put)).toBe('ok');
        expect(await old.codeOf(put)).toBe('ok');
        await hub.restart();
        const again = await join(bob);
        expect(await again.codeOf(put)).toBe('ok');
        const other = new TestAgent('bob', seededRandom(94)).record({
          hubId,
          nowMs,
          previous: bob,
        });
        expect(await again.codeOf({ type: 'put_identity', record: other })).toBe('NOT_OWNER');
        const own = bob.record({ hubId, nowMs });
        expect(await again.codeOf({ type: 'put_identity', record: own })).toBe('NOT_OWNER');
        expect(await (await join(next)).codeOf(sendTo(bob))).toBe('sent');
        for (let day = 0; day < 7; day++) await hub.jump(DAY_MS);
        const late = await RawClient.connect(hub);
        late.send((await late.auth(bob.credentials())).frame);
        expect(await late.next('error')).toMatchObject({ code: 'NAME_TAKEN' });
      }));
  });
}
