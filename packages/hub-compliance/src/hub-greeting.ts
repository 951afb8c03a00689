/**
 * The hub suite's part about the first frames of a connection: the client begins, the hub proves
 * itself and signs what is final (protocol.md §2.15). Owns the tests.
 */
import { describe, expect, test } from '@jest/globals';
import { FEATURES, PROTOCOL_LIMITS, SUPPORTED_FEATURES } from '@agentmesh/protocol';
import { sendTo, withHub } from './hub-samples.js';
import type { StartHub } from './hub-under-test.js';
import { RawClient } from './raw-client.js';

/** Who speaks first, and what is agreed on. */
export function hubGreeting(start: StartHub): void {
  describe('first frames', () => {
    test('begin is answered with fresh nonces and one hub key, proved', () =>
      withHub(start, {}, async ({ hub }) => {
        const { hello: first } = await (await RawClient.connect(hub)).begin();
        const { hello: second } = await (await RawClient.connect(hub)).begin();
        expect(first.version).toBe(2);
        expect(first.hubKey).toEqual(second.hubKey);
        expect(first.serverNonce).not.toEqual(second.serverNonce);
        expect(first.time).toBe(hub.clock());
        await hub.restart();
        const { hello: later } = await (await RawClient.connect(hub)).begin();
        expect(later.hubKey).toEqual(first.hubKey);
      }));

    test('the hub says nothing before begin, and then why it goes', () =>
      withHub(start, {}, async ({ hub }) => {
        const client = await RawClient.connect(hub);
        await hub.advance(PROTOCOL_LIMITS.beginMs - 1_000);
        expect(client.frames).toEqual([]);
        await hub.advance(2_000);
        const error = await client.next('error');
        expect(error).toMatchObject({ code: 'VERSION' });
        expect(error.message).toContain('upgrade the client');
        await client.closed();
      }));

    test('features that the hub does not know are ignored; versions that it does not speak end it', () =>
      withHub(start, {}, async ({ hub }) => {
        const clientNonce = new Uint8Array(32).fill(1);
        const able = await RawClient.connect(hub);
        able.send({ type: 'begin', versions: [2, 9], features: ['time-travel'], clientNonce });
        expect((await able.next('hello')).features).not.toContain('time-travel');
        const foreign = await RawClient.connect(hub);
        foreign.send({ type: 'begin', versions: [3], features: [], clientNonce });
        const error = await foreign.next('error');
        expect(error).toMatchObject({ code: 'VERSION' });
        expect(error.message).toMatch(/speaks protocol version 2, the client 3/);
        await foreign.closed();
      }));

    test.each(SUPPORTED_FEATURES)(
      'a client that has not learnt %s is served without it',
      (feature) =>
        withHub(start, {}, async ({ hub, alice, bob }) => {
          const features = SUPPORTED_FEATURES.filter((one) => one !== feature);
          const client = await RawClient.connect(hub, features);
          client.send((await client.auth(alice.credentials())).frame);
          const welcome = await client.next('auth_ok');
          expect(welcome.timelines !== undefined).toBe(feature !== FEATURES.timelines);
          const other = await RawClient.authenticate(hub, bob.credentials());
          const sent = sendTo(alice);
          expect(await other.codeOf(sent)).toBe('sent');
          if (feature !== FEATURES.many) return;
          expect((await client.next('deliver')).envelope.id).toEqual(sent.envelope.id);
        }),
    );
  });
}

/** What the hub tells of an identity, and what of it is signed. */
export function hubWord(start: StartHub): void {
  describe('authentication', () => {
    test('auth_ok, every refusal of auth and every goodbye are signed for their connection', () =>
      withHub(start, {}, async ({ hub, alice, bob, carol }) => {
        const older = await RawClient.connect(hub);
        older.send((await older.auth(bob.credentials())).frame);
        expect(older.isSigned(await older.next('auth_ok'))).toBe(true);
        const newer = await RawClient.connect(hub);
        newer.send((await newer.auth(bob.credentials())).frame);
        expect(newer.isSigned(await newer.next('auth_ok'))).toBe(true);
        const bye = await older.next('bye');
        expect([older.isSigned(bye), newer.isSigned(bye)]).toEqual([true, false]);
        const impostor = await RawClient.connect(hub);
        impostor.send((await impostor.auth(carol.credentials({ name: 'bob' }))).frame);
        expect(impostor.isSigned(await impostor.next('error'))).toBe(true);
        const refused = await newer.request(sendTo(alice));
        expect(refused).toMatchObject({ code: 'UNKNOWN_RECIPIENT' });
        expect(refused.type === 'error' && newer.isSigned(refused)).toBe(true);
      }));

    test('auth_ok tells the store opening before, and how many envelopes wait', () =>
      withHub(start, {}, async ({ hub, alice, bob, join }) => {
        const client = await RawClient.connect(hub);
        client.send((await client.auth(bob.credentials())).frame);
        const first = await client.next('auth_ok');
        expect([first.lastInstance, first.lastBoot, first.queued]).toEqual([null, null, 0]);
        expect([first.keyDigest, first.oneTimePrekeys]).toEqual([null, 0]);
        client.close();
        await (await join(alice)).request(sendTo(bob));
        await hub.restart();
        const again = await RawClient.connect(hub);
        const instance = new Uint8Array(16).fill(9);
        again.send((await again.auth(bob.credentials({ instance, boot: 7 }))).frame);
        const second = await again.next('auth_ok');
        expect([second.lastInstance, second.lastBoot]).toEqual([bob.instance, bob.boot]);
        expect(second.queued).toBe(1);
        const third = await RawClient.connect(hub);
        third.send((await third.auth(bob.credentials())).frame);
        const last = await third.next('auth_ok');
        expect([last.lastInstance, last.lastBoot]).toEqual([instance, 7]);
      }));
  });
}
