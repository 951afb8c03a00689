import { describe, expect, test } from '@jest/globals';
import { agent, alice, bob, flipped, hub, NOW } from '../test/agents.js';
import {
  acceptHello,
  createAuth,
  NO_CHANNEL_BINDING,
  verifyAuthOk,
  verifyClientAuth,
} from './authentication.js';
import type { ChannelBinding, ClientAuthCheck } from './authentication.js';
import type { AuthFrame } from './client-frames.js';
import type { Checked } from './errors.js';
import { encodeFrame, parseClientFrame } from './frame-codec.js';
import type { AuthOkFrame, HelloFrame } from './hub-frames.js';

const TLS: ChannelBinding = { type: 1, value: new Uint8Array(32).fill(7) };
const PROXY: ChannelBinding = { type: 2, value: new Uint8Array(32) };

const hello: HelloFrame = {
  type: 'hello',
  versions: [2],
  hubKey: hub.publicKey,
  serverNonce: new Uint8Array(32).fill(3),
  time: NOW,
  limits: {
    blobBytes: 1_048_576,
    ttlSeconds: 2_592_000,
    inFlight: 1_000,
    signedPrekeys: 2,
    oneTimePrekeys: 100,
  },
};

function authOf(keyPair = alice, channelBinding = TLS, said = hello) {
  return createAuth({
    id: 1,
    hello: said,
    credentials: {
      name: 'alice',
      identity: keyPair.identity,
      instance: new Uint8Array(16).fill(4),
      boot: 5,
      sign: (bytes) => keyPair.sign(bytes),
    },
    clientNonce: new Uint8Array(32).fill(6),
    channelBinding,
  });
}

function check(frame: AuthFrame, changes: Partial<ClientAuthCheck> = {}) {
  return verifyClientAuth({
    frame,
    hubKey: hub.publicKey,
    serverNonce: hello.serverNonce,
    nonceIssuedMs: NOW,
    nowMs: NOW + 10_000,
    channelBinding: TLS,
    ...changes,
  });
}

const refusedWith = (code: string, detail = '') => ({
  ok: false,
  error: { code, message: expect.stringContaining(detail) as unknown },
});

describe('acceptHello', () => {
  test('accepts a hub of version 2 and names it by the hash of its key', () => {
    const value = { version: 2, hubKey: hub.publicKey, hubId: hub.hubId };
    expect(acceptHello(hello, null)).toEqual({ ok: true, value });
    expect(acceptHello(hello, hub.publicKey)).toEqual({ ok: true, value });
  });

  test('refuses a hub without a common version', () => {
    expect(acceptHello({ ...hello, versions: [1, 3] }, null)).toMatchObject(refusedWith('VERSION'));
  });

  test('refuses another key than the pinned one', () => {
    const other = flipped(hub.publicKey, 5);
    expect(acceptHello(hello, other)).toMatchObject(refusedWith('HUB_KEY_CHANGED'));
    expect(acceptHello({ ...hello, hubKey: other }, hub.publicKey)).toMatchObject(
      refusedWith('HUB_KEY_CHANGED'),
    );
  });

  test('refuses a key that anyone could sign for', () => {
    const smallOrder = new Uint8Array(32);
    smallOrder[0] = 1;
    expect(acceptHello({ ...hello, hubKey: smallOrder }, null)).toMatchObject(
      refusedWith('BAD_AUTH', 'BAD_KEY'),
    );
  });
});

describe('authentication of both sides', () => {
  test.each([
    ['without TLS', NO_CHANNEL_BINDING],
    ['over TLS', TLS],
    ['behind a proxy', PROXY],
  ])('succeeds %s, through the text of the frames', (_, channelBinding) => {
    const { frame, expected } = authOf(alice, channelBinding);
    const decoded = parseClientFrame(encodeFrame(frame), 4_096);
    expect(decoded).toEqual({ ok: true, frame });
    const checked = check(frame, { channelBinding });
    if (!checked.ok) throw checked.error;
    expect(checked.value).toMatchObject({
      name: 'alice',
      identity: alice.identity,
      instance: frame.instance,
      boot: 5,
    });
    const signature = hub.sign(checked.value.answer);
    expect(verifyAuthOk(answerWith(signature), expected)).toEqual({ ok: true, value: null });
  });

  test('passes a registration token on and leaves out what is not given', () => {
    expect('token' in authOf().frame).toBe(false);
    const { frame } = createAuth({
      id: 2,
      hello,
      credentials: {
        name: 'alice',
        identity: alice.identity,
        instance: new Uint8Array(16),
        boot: 0,
        sign: (bytes) => alice.sign(bytes),
        token: 'invite',
      },
      clientNonce: new Uint8Array(32),
      channelBinding: TLS,
    });
    expect(frame).toMatchObject({ token: 'invite' });
    expect(check(frame).ok).toBe(true);
  });
});

function answerWith(signature: Uint8Array): AuthOkFrame {
  return {
    type: 'auth_ok',
    re: 1,
    signature,
    lastInstance: null,
    lastBoot: null,
    keyDigest: null,
    oneTimePrekeys: 0,
    queued: 0,
  };
}

describe('verifyClientAuth', () => {
  const { frame } = authOf();

  test('T-A2 challenge-relay: a signature made over another TLS connection is refused', () => {
    const channelBinding = { type: 1, value: new Uint8Array(32).fill(8) } as const;
    expect(check(frame, { channelBinding })).toMatchObject(refusedWith('BAD_AUTH', 'signature'));
  });

  test('T-A2 challenge-relay: a signature made for another hub is refused', () => {
    const { frame: forOther } = authOf(alice, TLS, { ...hello, hubKey: bob.identity.signing });
    expect(check(forOther)).toMatchObject(refusedWith('BAD_AUTH', 'signature'));
  });

  test('T-A3 replayed-auth: an old auth on a new connection is refused', () => {
    const serverNonce = new Uint8Array(32).fill(30);
    expect(check(frame, { serverNonce })).toMatchObject(refusedWith('BAD_AUTH', 'signature'));
  });

  test('T-A4 wrong-cbType: a type changed in flight is refused', () => {
    const changed: AuthFrame = { ...frame, channelBinding: 0 };
    expect(check(changed)).toMatchObject(refusedWith('BAD_AUTH', 'kind of connection'));
    expect(check(changed, { channelBinding: NO_CHANNEL_BINDING })).toMatchObject(
      refusedWith('BAD_AUTH', 'signature'),
    );
    expect(check(frame, { channelBinding: PROXY })).toMatchObject(refusedWith('BAD_AUTH'));
  });

  test('T-A5 foreign-aid: an own signature under the keys of another is refused', () => {
    for (const changed of [
      { ...frame, identityKey: bob.identity.signing },
      { ...frame, exchangeKey: bob.identity.dh },
      {
        ...frame,
        identityKey: bob.identity.signing,
        exchangeKey: bob.identity.dh,
      },
    ]) {
      expect(check(changed)).toMatchObject(refusedWith('BAD_AUTH', 'signature'));
    }
  });

  test('covers every field that it hands on', () => {
    for (const changed of [
      { ...frame, name: 'alicf' },
      { ...frame, clientNonce: flipped(frame.clientNonce, 0) },
      { ...frame, instance: flipped(frame.instance, 15) },
      { ...frame, boot: 6 },
      { ...frame, signature: flipped(frame.signature, 0) },
      { ...frame, signature: flipped(frame.signature, 63) },
      { ...frame, signature: new Uint8Array(64) },
    ]) {
      expect(check(changed)).toMatchObject(refusedWith('BAD_AUTH', 'signature'));
    }
  });

  test('refuses keys that fail the checks of §2.1', () => {
    const smallOrder = new Uint8Array(32);
    smallOrder[0] = 1;
    for (const changed of [
      { ...frame, identityKey: smallOrder },
      { ...frame, exchangeKey: new Uint8Array(32).fill(255) },
    ]) {
      expect(check(changed)).toMatchObject(refusedWith('BAD_AUTH', 'BAD_KEY'));
    }
  });

  test('takes a nonce for 10 s, no millisecond more, and none of the future', () => {
    expect(check(frame, { nowMs: NOW }).ok).toBe(true);
    for (const nowMs of [NOW + 10_001, NOW - 1, Number.NaN]) {
      expect(check(frame, { nowMs })).toMatchObject(refusedWith('BAD_AUTH', 'nonce'));
    }
  });
});

describe('verifyAuthOk', () => {
  const { frame, expected } = authOf();
  const answer = (): Uint8Array => {
    const checked = check(frame);
    if (!checked.ok) throw checked.error;
    return hub.sign(checked.value.answer);
  };
  const verify = (signature: Uint8Array): Checked<null> =>
    verifyAuthOk(answerWith(signature), expected);

  test('refuses a hub that does not own its key', () => {
    expect(verify(bob.sign(new Uint8Array(1)))).toMatchObject(refusedWith('BAD_AUTH', 'hub'));
    expect(verify(flipped(answer(), 40))).toMatchObject(refusedWith('BAD_AUTH', 'hub'));
  });

  test('refuses the client’s own signature sent back', () => {
    expect(verify(frame.signature)).toMatchObject(refusedWith('BAD_AUTH'));
    const { frame: own, expected: mine } = authOf(agent(9), TLS, hello);
    expect(verifyAuthOk(answerWith(own.signature), mine)).toMatchObject(refusedWith('BAD_AUTH'));
  });

  test('refuses an answer made for another connection of the same client', () => {
    const again = createAuth({
      id: 1,
      hello,
      credentials: {
        name: 'alice',
        identity: alice.identity,
        instance: new Uint8Array(16).fill(4),
        boot: 5,
        sign: (bytes) => alice.sign(bytes),
      },
      clientNonce: new Uint8Array(32).fill(66),
      channelBinding: TLS,
    });
    expect(verifyAuthOk(answerWith(answer()), again.expected)).toMatchObject(
      refusedWith('BAD_AUTH'),
    );
  });
});
