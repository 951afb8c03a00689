/**
 * The hub suite's part about who may come in: authentication, names, one connection per identity
 * (hub.md §2, protocol.md §2.15). Owns the tests.
 */
import { describe, expect, test } from '@jest/globals';
import { encodeFrame, fromBase64Url, PROTOCOL_LIMITS, toBase64Url } from '@agentmesh/protocol';
import type { HubCredentials } from '@agentmesh/protocol';
import { sendTo, withHub } from './hub-samples.js';
import type { HubUnderTest, StartHub } from './hub-under-test.js';
import { RawClient } from './raw-client.js';

/** Why credentials are refused; the connection ends with it. */
async function refusal(hub: HubUnderTest, credentials: HubCredentials): Promise<string> {
  const client = await RawClient.connect(hub);
  client.send((await client.auth(credentials)).frame);
  const { code } = await client.next('error');
  await client.closed();
  return code;
}

/** An agent that cannot prove its keys on this very connection stays out. */
export function hubAuthAttacks(start: StartHub): void {
  describe('attacks on authentication', () => {
    test('T-A3 replayed-auth: an auth of another connection is refused', () =>
      withHub(start, {}, async ({ hub, alice }) => {
        const first = await RawClient.connect(hub);
        const { frame } = await first.auth(alice.credentials());
        first.send(frame);
        await first.next('auth_ok');
        const second = await RawClient.connect(hub);
        await second.begin();
        second.send(frame);
        expect(await second.next('error')).toMatchObject({ code: 'BAD_AUTH', re: frame.id });
        await second.closed();
        expect(await first.codeOf({ type: 'ping' })).toBe('pong');
      }));

    test('T-A4 wrong-cbType: another kind of connection than this one is refused', () =>
      withHub(start, {}, async ({ hub, alice }) => {
        for (const channelBinding of [1, 2] as const) {
          const client = await RawClient.connect(hub);
          const { frame } = await client.auth(alice.credentials());
          client.send({ ...frame, channelBinding });
          expect(await client.next('error')).toMatchObject({ code: 'BAD_AUTH' });
          await client.closed();
        }
      }));

    test('T-A5 foreign-aid: keys that the client cannot sign with are refused', () =>
      withHub(start, {}, async ({ hub, alice, bob, join }) => {
        const victim = await join(bob);
        const attempts = [
          { identityKey: bob.keyPair.identity.signing },
          { exchangeKey: bob.keyPair.identity.dh },
          { identityKey: bob.keyPair.identity.signing, exchangeKey: bob.keyPair.identity.dh },
        ];
        for (const keys of attempts) {
          const client = await RawClient.connect(hub);
          const { frame } = await client.auth(alice.credentials({ name: 'bob' }));
          client.send({ ...frame, ...keys });
          expect(await client.next('error')).toMatchObject({ code: 'BAD_AUTH' });
          await client.closed();
        }
        expect(await victim.codeOf(sendTo(bob))).toBe('sent');
        await victim.next('deliver');
      }));

    test('every changed byte of auth is refused, and a refused auth is the only attempt', () =>
      withHub(start, {}, async ({ hub, alice }) => {
        const fields = ['identityKey', 'instance', 'signature'] as const;
        for (const field of fields) {
          const client = await RawClient.connect(hub);
          const { frame } = await client.auth(alice.credentials());
          const bytes = frame[field].slice();
          bytes[0] = (bytes[0] ?? 0) ^ 1;
          client.send({ ...frame, [field]: bytes });
          client.send(frame);
          expect(await client.next('error')).toMatchObject({ code: 'BAD_AUTH' });
          await client.closed();
          expect(client.all('auth_ok')).toEqual([]);
        }
      }));
  });
}

/** What a connection may do before it has authenticated. */
export function hubStrangers(start: StartHub): void {
  describe('strangers', () => {
    test('a connection that does not authenticate in time is closed', () =>
      withHub(start, {}, async ({ hub, alice }) => {
        const client = await RawClient.connect(hub);
        const { frame } = await client.auth(alice.credentials());
        await hub.advance(PROTOCOL_LIMITS.authenticationMs - 1_000);
        await client.request({ type: 'ping' });
        await hub.advance(2_000);
        expect(await client.next('error')).toMatchObject({ code: 'TIMEOUT' });
        await client.closed();
        client.send(frame);
        expect(client.all('auth_ok')).toEqual([]);
      }));

    test('T-A8 unauthenticated-verbs: nothing but begin, auth and ping is taken before auth', () =>
      withHub(start, {}, async ({ hub, alice, bob, publish, join }) => {
        const victim = await publish(bob, 2);
        const verbs = [
          { type: 'get_bundle', id: 1, peer: 'bob', oneTime: true },
          { ...sendTo(bob), id: 2 },
          { type: 'list', id: 3 },
          { type: 'put_identity', id: 4, record: new Uint8Array(300) },
          { type: 'put_prekeys', id: 5, signed: [], oneTime: [], replaceAll: true },
          { type: 'put_revocation', id: 6, revocation: bob.revocation(hub.clock()) },
        ] as const;
        for (const verb of verbs) {
          const stranger = await RawClient.connect(hub);
          stranger.send(verb as Parameters<RawClient['send']>[0]);
          const error = await stranger.next('error');
          expect(error).toMatchObject({ code: 'NOT_AUTHENTICATED', re: verb.id });
          expect(await stranger.codeOf({ type: 'ping' })).toBe('pong');
        }
        const told = await RawClient.connect(hub);
        told.send({ type: 'ack', seqs: [1] });
        told.send({ type: 'nack', seq: 1, delay: 0, reason: 'STORAGE' });
        told.send({ type: 'credit', messages: 1, bytes: 1 });
        await told.closed();
        expect(told.all('error').map((error) => error.code)).toEqual([
          'NOT_AUTHENTICATED',
          'NOT_AUTHENTICATED',
          'NOT_AUTHENTICATED',
        ]);
        await victim.settle();
        expect(victim.all('deliver')).toEqual([]);
        const client = await join(alice);
        const bundle = await client.request({ type: 'get_bundle', peer: 'bob', oneTime: true });
        expect(bundle).toMatchObject({ type: 'bundle', oneTime: expect.anything() });
      }));
  });
}

/** Frames of strangers are short and exact. */
export function hubStrangerFrames(start: StartHub): void {
  describe('frames of strangers', () => {
    test('a frame longer than a stranger may send is refused', () =>
      withHub(start, {}, async ({ hub, alice }) => {
        const { preAuthFrameBytes } = PROTOCOL_LIMITS;
        const padded = (text: string, length: number) =>
          `{${' '.repeat(length - text.length)}${text.slice(1)}`;
        const client = await RawClient.connect(hub);
        const text = encodeFrame((await client.auth(alice.credentials())).frame);
        client.sendText(padded(text, preAuthFrameBytes + 1));
        expect(await client.next('error')).toMatchObject({ code: 'BAD_JSON' });
        client.sendText(padded(text, preAuthFrameBytes));
        await client.next('auth_ok');
      }));

    test('base64url of another spelling is refused', () =>
      withHub(start, {}, async ({ hub, alice }) => {
        const client = await RawClient.connect(hub);
        const { frame } = await client.auth(alice.credentials());
        const text = encodeFrame(frame);
        const spelled = toBase64Url(frame.instance);
        // The last letter has four bits that encode nothing: set one of them.
        const stray = String.fromCharCode((spelled.codePointAt(spelled.length - 1) ?? 0) + 1);
        client.sendText(text.replace(spelled, spelled.slice(0, -1) + stray));
        expect(await client.next('error')).toMatchObject({ code: 'BAD_ENCODING' });
        expect(fromBase64Url(spelled)).toEqual(frame.instance);
      }));
  });
}

/** First come, and nobody else. */
export function hubNames(start: StartHub): void {
  describe('names', () => {
    test('T-A1 register-takeover: a second identity does not get a name, the first keeps it', () =>
      withHub(start, {}, async ({ hub, alice, bob, carol, publish, join }) => {
        const owner = await publish(bob);
        expect(await refusal(hub, carol.credentials({ name: 'bob' }))).toBe('NAME_TAKEN');
        await owner.settle();
        expect(owner.all('bye')).toEqual([]);
        await hub.restart();
        expect(await refusal(hub, carol.credentials({ name: 'bob' }))).toBe('NAME_TAKEN');
        const client = await join(bob);
        const reply = await (
          await join(alice)
        ).request({
          type: 'get_bundle',
          peer: 'bob',
          oneTime: false,
        });
        expect(reply).toMatchObject({ type: 'bundle' });
        expect(await client.codeOf(sendTo(bob))).toBe('sent');
      }));

    test('one identity has one name', () =>
      withHub(start, {}, async ({ hub, bob, publish }) => {
        const client = await publish(bob);
        expect(await refusal(hub, bob.credentials({ name: 'rob' }))).toBe('REGISTRATION_REFUSED');
        expect(await client.request({ type: 'list' })).toMatchObject({ names: ['bob'] });
      }));
  });
}

/** Who may take a free name. */
export function hubRegistration(start: StartHub): void {
  describe('registration', () => {
    test('with tokens only their bearers register; the registered need none', () =>
      withHub(
        start,
        { registration: { mode: 'token', tokens: ['first', 'second'] } },
        async ({ hub, alice, bob, publish }) => {
          expect(await refusal(hub, alice.credentials())).toBe('REGISTRATION_REFUSED');
          const wrong = alice.credentials({ token: 'firs' });
          expect(await refusal(hub, wrong)).toBe('REGISTRATION_REFUSED');
          await RawClient.authenticate(hub, alice.credentials({ token: 'second' }));
          const client = await publish(alice);
          expect(await client.request({ type: 'list' })).toMatchObject({ names: ['alice'] });
          expect(await client.codeOf(sendTo(bob))).toBe('UNKNOWN_RECIPIENT');
        },
      ));

    test('T-A34 name-probing: who may not register does not learn which names exist', () =>
      withHub(
        start,
        { registration: { mode: 'token', tokens: ['first'] } },
        async ({ hub, alice, carol }) => {
          await RawClient.authenticate(hub, alice.credentials({ token: 'first' }));
          for (const name of ['alice', 'nobody']) {
            const probe = carol.credentials({ name });
            expect(await refusal(hub, probe)).toBe('REGISTRATION_REFUSED');
          }
          const invited = carol.credentials({ name: 'alice', token: 'first' });
          expect(await refusal(hub, invited)).toBe('NAME_TAKEN');
        },
      ));

    test('with an allow list only the listed register, by name or by address', async () => {
      const agents: string[] = ['alice'];
      const registration = { mode: 'allowlist', agents } as const;
      await withHub(start, { registration }, async ({ hub, alice, bob, carol, join }) => {
        agents.push(bob.address);
        await join(alice);
        await join(bob);
        expect(await refusal(hub, carol.credentials())).toBe('REGISTRATION_REFUSED');
      });
    });

    test('a blocked agent neither comes in nor receives', async () => {
      const blocked = new Set<Uint8Array>();
      const isBlocked = (aid: Uint8Array) => [...blocked].some((one) => one[0] === aid[0]);
      await withHub(start, { isBlocked }, async ({ hub, alice, bob, join }) => {
        await join(bob);
        const client = await join(alice);
        blocked.add(bob.aid);
        expect(await client.codeOf(sendTo(bob))).toBe('BLOCKED');
        expect(await refusal(hub, bob.credentials())).toBe('BLOCKED');
      });
    });
  });
}

/** One connection per identity. */
export function hubConnections(start: StartHub): void {
  describe('connections', () => {
    test('a newer connection displaces the older one', () =>
      withHub(start, {}, async ({ alice, bob, join }) => {
        const older = await join(bob);
        const newer = await join(bob);
        expect(await older.next('bye')).toMatchObject({ type: 'bye', code: 'DISPLACED' });
        await older.closed();
        await (await join(alice)).request(sendTo(bob));
        await newer.next('deliver');
        expect(older.all('deliver')).toEqual([]);
      }));

    test('T-A18 stale-close: the old connection ends late and the new one stays reachable', () =>
      withHub(start, {}, async ({ hub, alice, bob, join }) => {
        const sender = await join(alice);
        const connections = [];
        for (let round = 0; round < 4; round++) connections.push(await join(bob));
        const newest = connections.pop();
        for (const stale of connections) stale.close();
        await hub.advance(1_000);
        await sender.request(sendTo(bob));
        expect(await newest?.next('deliver')).toMatchObject({ attempt: 1 });
      }));

    test('a silent connection is closed, one that pings is not', () =>
      withHub(start, {}, async ({ hub, alice, bob, join }) => {
        const silent = await join(alice);
        const lively = await join(bob);
        for (let round = 0; round < 4; round++) {
          await hub.advance(PROTOCOL_LIMITS.heartbeatMs);
          await lively.request({ type: 'ping' });
        }
        expect(await silent.next('bye')).toMatchObject({ type: 'bye', code: 'IDLE' });
        await silent.closed();
        expect(lively.isClosed).toBe(false);
      }));

    test('beyond the limit of connections a new one is turned away', () =>
      withHub(start, { limits: { connections: 2 } }, async ({ hub, alice, bob, join }) => {
        await join(alice);
        const second = await join(bob);
        const third = await RawClient.connect(hub);
        expect(await third.next('bye')).toMatchObject({ type: 'bye', code: 'FLOOD' });
        await third.closed();
        second.close();
        await hub.advance(1_000);
        await join(bob);
      }));
  });
}
