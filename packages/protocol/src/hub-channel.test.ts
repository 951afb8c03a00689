import { describe, expect, test } from '@jest/globals';
import { flipped, hub } from '../test/agents.js';
import { delivery, outcome, ScriptedHub } from '../test/scripted-hub.js';
import { HubChannel } from './hub-channel.js';
import type { DeliverManyFrame } from './hub-frames.js';
import { PROTOCOL_LIMITS } from './limits.js';
import { FEATURES } from './version.js';

const envelope = {
  id: new Uint8Array(16).fill(1),
  to: new Uint8Array(32).fill(2),
  ttlSeconds: 60,
  blob: new Uint8Array(10),
};

describe('opening', () => {
  test('the client speaks first and names nobody; then both sides prove themselves', async () => {
    const script = new ScriptedHub();
    expect(() => script.channel.session).toThrow('Authenticate before');
    expect(script.heard).toEqual([]);
    script.greet();
    expect(script.heard).toMatchObject([{ type: 'auth', name: 'alice' }]);
    script.admit();
    const session = await script.channel.opened;
    expect(session).toMatchObject({ hubKey: hub.publicKey, hubId: hub.hubId, queued: 0 });
    expect(session).toMatchObject({ features: [], limits: { perSecond: 100, inFlight: 1_000 } });
    expect(script.channel.session).toBe(session);
  });

  test('T-A31 rewritten-auth-ok: what is not signed over all its fields is not acted upon', async () => {
    for (const change of [
      { lastInstance: new Uint8Array(16).fill(5), lastBoot: 9 },
      { keyDigest: new Uint8Array(32) },
      { oneTimePrekeys: 3 },
      { queued: 1 },
    ]) {
      const script = new ScriptedHub();
      script.greet();
      script.say({ ...script.authOk(), ...change });
      expect(await outcome(script.channel.opened)).toBe('HUB_UNPROVEN');
      expect(script.closed).toBe(true);
    }
  });

  test('a hub without the key of its hello is refused, whatever it signed', async () => {
    const script = new ScriptedHub();
    script.greet();
    const right = script.authOk();
    script.say({ ...right, signature: flipped(right.signature, 3) });
    expect(await outcome(script.channel.opened)).toBe('HUB_UNPROVEN');
    expect(script.closed).toBe(true);
    script.say(right);
    expect(script.news).toEqual([]);
  });

  test.each([
    ['HUB_KEY_CHANGED', { hubKey: new Uint8Array(32).fill(1) }, {}],
    ['VERSION', {}, { version: 3 }],
    ['HUB_UNPROVEN', {}, { hubKey: new Uint8Array(32) }],
    ['HUB_UNPROVEN', {}, { proof: new Uint8Array(64) }],
  ])('%s is found before anything is said of the agent', async (code, credentials, greeting) => {
    const script = new ScriptedHub(credentials);
    script.say(script.hello(greeting));
    expect(await outcome(script.channel.opened)).toBe(code);
    expect(script.heard).toEqual([]);
    expect(script.closed).toBe(true);
  });

  test('the pinned hub key is accepted', async () => {
    const script = new ScriptedHub({ hubKey: hub.publicKey });
    script.greet();
    script.admit();
    expect(await outcome(script.channel.opened)).toMatchObject({ hubKey: hub.publicKey });
  });

  test('a signed refusal is the reason, even if the connection ends at once', async () => {
    const script = new ScriptedHub();
    script.greet();
    const re = script.lastId();
    script.say(script.signed({ type: 'error', re, code: 'NAME_TAKEN', message: 'taken' }));
    script.channel.lost();
    expect(await outcome(script.channel.opened)).toBe('NAME_TAKEN');
    expect(script.news).toEqual([]);
  });

  test('credentials that cannot sign fail the opening, not the transport', async () => {
    const script = new ScriptedHub({
      sign: () => {
        throw new TypeError('locked');
      },
    });
    script.greet();
    expect(await outcome(script.channel.opened)).toBe('BAD_AUTH');
  });

  test('a hub that says nothing is given up', async () => {
    const script = new ScriptedHub();
    script.pass(PROTOCOL_LIMITS.authenticationMs);
    expect(script.closed).toBe(false);
    script.pass(1_000);
    expect(await outcome(script.channel.opened)).toBe('TIMEOUT');
  });

  test.each([
    ['a push', delivery(1)],
    ['a reply to nothing', { type: 'pong', re: 7 } as const],
  ])('%s before authentication is of nobody', async (_, frame) => {
    const script = new ScriptedHub();
    script.greet();
    script.say(frame);
    script.channel.lost();
    expect(await outcome(script.channel.opened)).toMatch(/HUB_UNPROVEN|CONNECTION_LOST/);
    expect(script.news).toEqual([]);
  });

  test('a second greeting ends the connection', async () => {
    const script = new ScriptedHub();
    script.greet();
    script.greet();
    expect(await outcome(script.channel.opened)).toBe('HUB_UNPROVEN');
  });

  test('an older hub, which greets first, is told apart in one sentence', async () => {
    const script = new ScriptedHub();
    script.channel.receive('{"type":"hello","versions":[2],"hubKey":"x","serverNonce":"y"}');
    await expect(script.channel.opened).rejects.toMatchObject({
      code: 'VERSION',
      message: expect.stringContaining('upgrade the hub') as unknown,
    });
  });
});

describe('requests', () => {
  test('a bundle may be a record alone, with the revocation that says why', async () => {
    const script = await ScriptedHub.opened();
    const asked = outcome(script.channel.getBundle('bob', { oneTime: true }));
    const record = new Uint8Array(225).fill(1);
    const revocation = new Uint8Array(110).fill(2);
    script.say({ type: 'bundle', re: script.lastId(), record, revocation });
    expect(await asked).toEqual({ record, revocation });
    const put = outcome(script.channel.putRevocation(revocation));
    expect(script.heard.at(-1)).toMatchObject({ type: 'put_revocation', revocation });
    script.say({ type: 'ok', re: script.lastId(), oneTimePrekeys: 0, keyDigest: null });
    expect(await put).toBeUndefined();
    script.say(script.signed({ type: 'bye', code: 'REVOKED' }));
    script.channel.lost();
    expect(script.news).toEqual(['closed REVOKED']);
  });

  test('T-A10 late-reply: replies are matched by number, a late one answers nobody', async () => {
    const script = await ScriptedHub.opened(5_000);
    const first = outcome(script.channel.send(envelope));
    const late = script.lastId();
    script.pass(6_000);
    expect(await first).toBe('TIMEOUT');
    const second = outcome(script.channel.send({ ...envelope, id: new Uint8Array(16).fill(2) }));
    const third = outcome(script.channel.list({}));
    const [, sent, list] = script.heard.map((frame) => ('id' in frame ? frame.id : 0));
    script.say({ type: 'sent', re: late, seq: 1, duplicate: false });
    script.say({ type: 'agents', re: list ?? 0, names: ['bob'], next: null });
    script.say({ type: 'sent', re: sent ?? 0, seq: 2, duplicate: false });
    script.say({ type: 'error', re: late, code: 'STORAGE', message: 'late' });
    expect(await second).toEqual({ seq: 2, duplicate: false });
    expect(await third).toEqual({ names: ['bob'], next: null });
    expect(script.closed).toBe(false);
  });

  test('a refusal has the code, the text and the time to wait', async () => {
    const script = await ScriptedHub.opened();
    const sending = script.channel.send(envelope);
    const re = script.lastId();
    script.say({ type: 'error', re, code: 'RATE_LIMITED', message: 'slow down', retryAfter: 30 });
    await expect(sending).rejects.toMatchObject({
      code: 'RATE_LIMITED',
      retryable: true,
      retryAfterMs: 30,
      message: 'slow down',
    });
  });

  test('a reply of another kind than asked for ends the connection', async () => {
    const script = await ScriptedHub.opened();
    const sending = outcome(script.channel.send(envelope));
    script.say({ type: 'pong', re: script.lastId() });
    expect(await sending).toBe('CONNECTION_LOST');
    expect(script.news).toEqual(['closed CONNECTION_LOST']);
  });

  test('what waits fails with the connection', async () => {
    const script = await ScriptedHub.opened();
    const waiting = [script.channel.send(envelope), script.channel.list({})].map(outcome);
    script.channel.lost();
    expect(await Promise.all(waiting)).toEqual(['CONNECTION_LOST', 'CONNECTION_LOST']);
    expect(await outcome(script.channel.send(envelope))).toBe('CONNECTION_LOST');
  });

  test('what cannot be encoded is refused here and nothing is sent', async () => {
    const script = await ScriptedHub.opened();
    const blob = new Uint8Array(PROTOCOL_LIMITS.blobBytes + 1);
    expect(await outcome(script.channel.send({ ...envelope, blob }))).toBe('TOO_LARGE');
    const id = new Uint8Array(15);
    expect(await outcome(script.channel.send({ ...envelope, id }))).toBe('BAD_FRAME');
    expect(() => script.channel.nack({ seq: 0, delayMs: 0, reason: 'STORAGE' })).toThrow(
      'Frame has',
    );
    expect(script.heard).toEqual([]);
  });

  test('many acknowledgements go in frames of the allowed size', async () => {
    const script = await ScriptedHub.opened();
    const seqs = Array.from({ length: 2_500 }, (_, at) => at + 1);
    script.channel.ack(seqs);
    script.channel.ack([]);
    const sent = script.heard.flatMap((frame) => (frame.type === 'ack' ? [frame.seqs] : []));
    expect(sent.map((list) => list.length)).toEqual([1_000, 1_000, 500]);
    expect(sent.flat()).toEqual(seqs);
  });
});

describe('news', () => {
  test('wait for start, in order, the end of the connection included', async () => {
    const script = new ScriptedHub();
    script.greet();
    script.admit();
    script.say(delivery(1));
    script.say({ type: 'notice', id: new Uint8Array(16), what: 'expired' });
    script.say(script.signed({ type: 'bye', code: 'DISPLACED' }));
    script.channel.lost();
    await script.channel.opened;
    expect(script.news).toEqual([]);
    script.channel.start();
    expect(script.news).toEqual(['deliver 1 1', 'expired', 'closed DISPLACED']);
  });

  test('the reason of the end is what the hub said last', async () => {
    const script = await ScriptedHub.opened();
    script.say(script.signed({ type: 'error', code: 'BAD_FRAME', message: 'third' }));
    script.channel.lost();
    script.channel.lost();
    expect(script.news).toEqual(['closed BAD_FRAME']);
  });

  test.each([['{'], ['{"type":"nothing"}'], ['{"type":"deliver","seq":1}']])(
    'a frame that cannot be read ends the connection: %s',
    async (text) => {
      const script = await ScriptedHub.opened();
      script.channel.receive(text);
      expect(script.news).toEqual(['closed CONNECTION_LOST']);
      expect(script.closed).toBe(true);
    },
  );

  test('close says so once and lets nothing more through', async () => {
    const script = await ScriptedHub.opened();
    await script.channel.close();
    script.say(delivery(1));
    script.channel.lost();
    script.channel.ack([1]);
    await script.channel.close();
    expect(script.news).toEqual(['closed by us']);
    expect(script.heard).toEqual([]);
  });

  test('close before the opening rejects it', async () => {
    const script = new ScriptedHub();
    await script.channel.close();
    expect(await outcome(script.channel.opened)).toBe('CONNECTION_LOST');
    expect(script.channel).toBeInstanceOf(HubChannel);
  });
});

describe('heartbeat', () => {
  test('a ping goes out every 25 seconds, and any frame is a sign of life', async () => {
    const script = await ScriptedHub.opened();
    for (let round = 1; round <= 6; round++) {
      script.pass(PROTOCOL_LIMITS.heartbeatMs);
      expect(script.heard.filter((frame) => frame.type === 'ping')).toHaveLength(round);
      script.say({ type: 'pong', re: script.lastId() });
    }
    expect(script.closed).toBe(false);
  });

  test('75 seconds of silence end the connection', async () => {
    const script = await ScriptedHub.opened();
    script.pass(PROTOCOL_LIMITS.silenceMs);
    expect(script.news).toEqual([]);
    script.pass(1_000);
    expect(script.news).toEqual(['closed IDLE']);
  });

  test('a machine that slept does not take itself for a silent hub', async () => {
    const script = await ScriptedHub.opened();
    script.nowMs += 3_600_000;
    script.pass(10_000);
    expect(script.closed).toBe(false);
  });
});

/** One of `deliver_many`. */
function deliveryBody(seq: number): DeliverManyFrame['deliveries'][number] {
  const frame = delivery(seq);
  if (frame.type !== 'deliver') throw new TypeError(frame.type);
  const { attempt, envelope: delivered } = frame;
  return { seq, attempt, envelope: delivered };
}

describe('frames for many', () => {
  test.each([
    ['a hub with the feature gets', [FEATURES.many], true],
    ['a hub without the new frames gets none of', [], false],
  ])('%s what the client has to say together', async (_, features, gathers) => {
    const script = new ScriptedHub();
    script.say(script.hello({ features: [...features] }));
    expect(script.gathers).toBe(false);
    script.admit();
    await script.channel.opened;
    expect(script.gathers).toBe(gathers);
  });

  test('each of many answers and deliveries counts for itself', async () => {
    const script = await ScriptedHub.opened();
    const sending = [1, 2, 3].map((n) =>
      script.channel.send({ ...envelope, id: new Uint8Array(16).fill(n) }),
    );
    const numbers = script.heard.flatMap((frame) => ('id' in frame ? [frame.id] : []));
    const sents = numbers.map((re) => ({ re, seq: re + 10, duplicate: false }));
    script.say({ type: 'sent_many', sents });
    expect(await Promise.all(sending)).toEqual(
      sents.map(({ seq, duplicate }) => ({ seq, duplicate })),
    );
    const one = deliveryBody(1);
    script.say({ type: 'deliver_many', deliveries: [one, { ...one, seq: 2 }] });
    expect(script.news).toEqual(['deliver 1 1', 'deliver 2 1']);
  });

  test('more deliveries than there is credit for are refused, however they come', async () => {
    const script = await ScriptedHub.opened();
    const one = deliveryBody(1);
    const { initialCreditMessages: most, manyFrames } = PROTOCOL_LIMITS;
    for (let seq = 1; seq <= most + 1; seq += manyFrames) {
      const deliveries = Array.from({ length: manyFrames }, (_, at) => ({ ...one, seq: seq + at }));
      script.say({ type: 'deliver_many', deliveries });
    }
    expect(script.closed).toBe(true);
    expect(script.news.filter((news) => news.startsWith('deliver'))).toHaveLength(most);
    expect(script.news.at(-1)).toBe('closed CONNECTION_LOST');
  });
});
