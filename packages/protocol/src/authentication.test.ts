import { describe, expect, test } from '@jest/globals';
import { HubKeyPair } from '@agentmesh/crypto';
import { alice, bob, flipped, hub, NOW } from '../test/agents.js';
import { HELLO } from '../test/scripted-hub.js';
import {
  acceptHello,
  createAuth,
  createBegin,
  greet,
  NO_CHANNEL_BINDING,
  sayAsHub,
  verifyClientAuth,
  wasSaidByHub,
  withAuth,
} from './authentication.js';
import type { ChannelBinding, ClientAuthCheck, HelloCheck, ProvedHub } from './authentication.js';
import type { AuthFrame } from './client-frames.js';
import { encodeFrame, parseClientFrame, parseHubFrame } from './frame-codec.js';
import type { AuthOkFrame, ByeFrame, ErrorFrame, HelloFrame } from './hub-frames.js';

const TLS: ChannelBinding = { type: 1, value: new Uint8Array(32).fill(7) };
const PROXY: ChannelBinding = { type: 2, value: new Uint8Array(32) };
const begin = createBegin(new Uint8Array(32).fill(6));
const otherHub = HubKeyPair.fromSeed(new Uint8Array(32).fill(10));

interface Meeting {
  readonly hubKey?: HubKeyPair;
  readonly channelBinding?: ChannelBinding;
  readonly hello?: Partial<HelloFrame>;
}

/** What a hub answers to `begin`, and its transcript. */
function greeting({ hubKey = hub, channelBinding = TLS, hello = {} }: Meeting = {}) {
  const said = { ...HELLO, hubKey: hubKey.publicKey, ...hello };
  const { frame, transcript } = greet({ hubKey, begin, hello: said, channelBinding });
  return { hello: { frame, text: encodeFrame(frame) }, transcript };
}

function judge(changes: Partial<HelloCheck> = {}, meeting: Meeting = {}) {
  const { hello } = greeting(meeting);
  return acceptHello({ begin, hello, channelBinding: TLS, pinnedHubKey: null, ...changes });
}

function proved(meeting: Meeting = {}): ProvedHub {
  const { channelBinding = TLS } = meeting;
  const accepted = judge({ channelBinding }, meeting);
  if (!accepted.ok) throw accepted.error;
  return accepted.value;
}

function authOf(keyPair = alice, meeting: Meeting = {}, token?: string) {
  return createAuth({
    id: 1,
    hub: proved(meeting),
    credentials: {
      name: 'alice',
      identity: keyPair.identity,
      instance: new Uint8Array(16).fill(4),
      boot: 5,
      sign: (bytes) => keyPair.sign(bytes),
      token,
    },
    channelBinding: meeting.channelBinding ?? TLS,
  });
}

function check(frame: AuthFrame, changes: Partial<ClientAuthCheck> = {}) {
  return verifyClientAuth({
    frame,
    hubKey: hub.publicKey,
    clientNonce: begin.frame.clientNonce,
    serverNonce: HELLO.serverNonce,
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
  test('accepts a hub of version 2 that proves its key, and names it by the hash of that key', () => {
    const value = { version: 2, hubKey: hub.publicKey, hubId: hub.hubId, limits: HELLO.limits };
    expect(judge()).toMatchObject({ ok: true, value });
    expect(judge({ pinnedHubKey: hub.publicKey })).toMatchObject({ ok: true, value });
  });

  test('features that this client does not know are ignored', () => {
    expect(judge({}, { hello: { features: ['time-travel'] } })).toMatchObject({
      ok: true,
      value: { features: [] },
    });
  });

  test('refuses a hub that chose a version it was not offered', () => {
    expect(judge({}, { hello: { version: 3 } })).toMatchObject(refusedWith('VERSION'));
  });

  test('refuses another key than the pinned one, and says which option decides', () => {
    expect(judge({ pinnedHubKey: flipped(hub.publicKey, 5) })).toMatchObject(
      refusedWith('HUB_KEY_CHANGED', 'hubKey'),
    );
    expect(judge({ pinnedHubKey: hub.publicKey }, { hubKey: otherHub })).toMatchObject(
      refusedWith('HUB_KEY_CHANGED'),
    );
  });

  test('refuses the public key of the pinned hub in the mouth of another', () => {
    const { hello } = greeting({ hubKey: otherHub, hello: { hubKey: hub.publicKey } });
    expect(judge({ hello, pinnedHubKey: hub.publicKey })).toMatchObject(
      refusedWith('HUB_UNPROVEN', 'signature'),
    );
  });

  test('refuses a key that anyone could sign for', () => {
    const smallOrder = new Uint8Array(32);
    smallOrder[0] = 1;
    expect(judge({}, { hello: { hubKey: smallOrder } })).toMatchObject(
      refusedWith('HUB_UNPROVEN', 'BAD_KEY'),
    );
  });

  test('T-A2 challenge-relay: a proof made over another connection is refused', () => {
    for (const channelBinding of [
      { type: 1, value: new Uint8Array(32).fill(8) },
      PROXY,
      NO_CHANNEL_BINDING,
    ] as const) {
      expect(judge({ channelBinding })).toMatchObject(refusedWith('HUB_UNPROVEN', 'connection'));
    }
  });

  test('T-A30 replayed-hello: a proof made for another begin is refused', () => {
    const again = createBegin(new Uint8Array(32).fill(66));
    expect(judge({ begin: again })).toMatchObject(refusedWith('HUB_UNPROVEN'));
    const text = begin.text.replace('"features":[', '"features":["x",');
    expect(judge({ begin: { ...begin, text } })).toMatchObject(refusedWith('HUB_UNPROVEN'));
  });

  test('the proof covers every character of hello, those of unknown fields too', () => {
    const { hello } = greeting();
    const changed = [
      hello.text.replace('"perSecond":100', '"perSecond":10'),
      hello.text.replace(`"time":${NOW}`, `"time":${NOW + 1}`),
      hello.text.replace('"features":[]', '"features":["x"]'),
      hello.text.replace('"version":2', '"version": 2'),
    ];
    for (const text of changed) {
      const decoded = parseHubFrame(text);
      if (!decoded.ok || decoded.frame.type !== 'hello') throw new TypeError(text);
      expect(judge({ hello: { frame: decoded.frame, text } })).toMatchObject(
        refusedWith('HUB_UNPROVEN'),
      );
    }
    expect(judge({ hello: { ...hello, text: `${hello.text} ` } })).toMatchObject(
      refusedWith('HUB_UNPROVEN', 'last field'),
    );
  });
});

describe('authentication of both sides', () => {
  test.each([
    ['without TLS', NO_CHANNEL_BINDING],
    ['over TLS', TLS],
    ['behind a proxy', PROXY],
  ])('succeeds %s, through the text of the frames', (_, channelBinding) => {
    const { frame, text } = authOf(alice, { channelBinding });
    expect(parseClientFrame(text, 4_096)).toEqual({ ok: true, frame });
    const checked = check(frame, { channelBinding });
    if (!checked.ok) throw checked.error;
    expect(checked.value).toMatchObject({
      name: 'alice',
      identity: alice.identity,
      instance: frame.instance,
      boot: 5,
    });
  });

  test('passes a registration token on and leaves out what is not given', () => {
    expect('token' in authOf().frame).toBe(false);
    const { frame } = authOf(alice, {}, 'invite');
    expect(frame).toMatchObject({ token: 'invite' });
    expect(check(frame).ok).toBe(true);
  });
});

describe('verifyClientAuth', () => {
  const { frame } = authOf();

  test('T-A2 challenge-relay: a signature made over another TLS connection is refused', () => {
    const channelBinding = { type: 1, value: new Uint8Array(32).fill(8) } as const;
    expect(check(frame, { channelBinding })).toMatchObject(refusedWith('BAD_AUTH', 'signature'));
  });

  test('T-A2 challenge-relay: a signature made for another hub is refused', () => {
    const { frame: forOther } = authOf(alice, { hubKey: otherHub });
    expect(check(forOther)).toMatchObject(refusedWith('BAD_AUTH', 'signature'));
  });

  test('T-A3 replayed-auth: an old auth on a new connection is refused', () => {
    const nonce = new Uint8Array(32).fill(30);
    for (const fresh of [{ serverNonce: nonce }, { clientNonce: nonce }]) {
      expect(check(frame, fresh)).toMatchObject(refusedWith('BAD_AUTH', 'signature'));
    }
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

  test('takes a nonce for 10 s, no millisecond more, and none of the future; too late may retry', () => {
    expect(check(frame, { nowMs: NOW }).ok).toBe(true);
    for (const nowMs of [NOW + 10_001, NOW - 1, Number.NaN]) {
      const late = check(frame, { nowMs });
      expect(late).toMatchObject(refusedWith('TIMEOUT', '10 seconds'));
      expect(late).toMatchObject({ error: { retryable: true } });
    }
  });
});

describe('what the hub says', () => {
  const auth = authOf();
  const transcript = withAuth(greeting().transcript, auth.text);
  const answer: AuthOkFrame = {
    type: 'auth_ok',
    re: 1,
    lastInstance: new Uint8Array(16).fill(4),
    lastBoot: 4,
    keyDigest: null,
    oneTimePrekeys: 0,
    queued: 0,
    signature: new Uint8Array(64),
  };
  const refusal: ErrorFrame = { type: 'error', re: 1, code: 'REVOKED', message: 'no' };

  /** Whether the client believes a frame that arrives with this text. */
  function believes(text: string, voice = auth.voice): boolean {
    const decoded = parseHubFrame(text);
    if (!decoded.ok) throw decoded.error;
    const { frame } = decoded;
    if (frame.type !== 'auth_ok' && frame.type !== 'error' && frame.type !== 'bye') return false;
    return wasSaidByHub(voice, { frame, text });
  }

  test.each([
    ['auth_ok', sayAsHub<AuthOkFrame>(hub, transcript, answer)],
    ['a refusal', sayAsHub<ErrorFrame>(hub, transcript, refusal)],
    ['a goodbye', sayAsHub<ByeFrame>(hub, transcript, { type: 'bye', code: 'DISPLACED' })],
  ])('%s is believed as it was signed, and with no character changed', (_, frame) => {
    const text = encodeFrame(frame);
    expect(believes(text)).toBe(true);
    const end = text.indexOf(',"signature":"');
    for (const [from, to] of [
      ['"lastBoot":4', '"lastBoot":5'],
      ['"queued":0', '"queued":1'],
      ['REVOKED', 'BLOCKED'],
      ['"message":"no"', '"message":"NO"'],
      ['DISPLACED', 'REVOKED'],
      ['"re":1', '"re":2'],
    ] as const) {
      if (text.includes(from)) expect(believes(text.replace(from, to))).toBe(false);
    }
    const last = text.slice(end);
    const first = `{${last.slice(1, -1)},${text.slice(1, end)}}`;
    expect(believes(first)).toBe(false);
    if (frame.type !== 'auth_ok') expect(believes(`${text.slice(0, end)}}`)).toBe(false);
  });

  test('is not believed on another connection, before auth, for another identity, or by another key', () => {
    const text = encodeFrame(sayAsHub<ErrorFrame>(hub, transcript, refusal));
    const elsewhere = authOf(alice, { hello: { serverNonce: new Uint8Array(32).fill(31) } });
    for (const voice of [
      elsewhere.voice,
      authOf(bob).voice,
      { ...auth.voice, transcript: proved().transcript },
      { ...auth.voice, hubKey: otherHub.publicKey },
    ]) {
      expect(believes(text, voice)).toBe(false);
    }
    const lied = encodeFrame(sayAsHub<ErrorFrame>(otherHub, transcript, refusal));
    expect(believes(lied)).toBe(false);
  });
});
