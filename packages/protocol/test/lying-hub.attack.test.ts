/**
 * What somebody in the hub's place can do to one connection, before and after the hub has proved
 * its key: refuse without a signature, and push more than it was asked for.
 */
import { describe, expect, test } from '@jest/globals';
import { parseHubFrame } from '../src/frame-codec.js';
import type { HubFrame } from '../src/hub-frames.js';
import { PROTOCOL_LIMITS } from '../src/limits.js';
import { delivery, outcome, ScriptedHub } from './scripted-hub.js';

const envelope = {
  id: new Uint8Array(16).fill(1),
  to: new Uint8Array(32).fill(2),
  ttlSeconds: 60,
  blob: new Uint8Array(10),
};

describe('T-A70 numbers-of-a-hub', () => {
  const zeros = (bytes: number): string => Buffer.alloc(bytes).toString('base64url');
  const limits = {
    blobBytes: PROTOCOL_LIMITS.blobBytes,
    ttlSeconds: PROTOCOL_LIMITS.maxTtlSeconds,
    inFlight: PROTOCOL_LIMITS.inFlight,
    signedPrekeys: PROTOCOL_LIMITS.signedPrekeys,
    oneTimePrekeys: PROTOCOL_LIMITS.oneTimePrekeys,
    perSecond: 1,
    burst: 1,
    bytesPerSecond: 1,
    requestsPerSecond: 1,
    requestBurst: 1,
    pending: PROTOCOL_LIMITS.pendingRequests,
  };
  const hello = (changed: object): object => ({
    type: 'hello',
    version: 2,
    features: [],
    hubKey: zeros(32),
    serverNonce: zeros(32),
    time: 0,
    limits: { ...limits, ...changed },
    proof: zeros(64),
  });
  const delivered = (attempt: number): object => ({
    type: 'deliver',
    seq: 1,
    attempt,
    envelope: { v: 2, id: zeros(16), from: zeros(32), to: zeros(32), ts: 1, blob: 'AA' },
  });
  const admitted = (changed: object): object => ({
    type: 'auth_ok',
    re: 1,
    lastInstance: null,
    lastBoot: null,
    keyDigest: null,
    oneTimePrekeys: 0,
    queued: 0,
    ...changed,
    signature: zeros(64),
  });
  const refused = (retryAfter: number): object => ({
    type: 'error',
    re: 1,
    code: 'RATE_LIMITED',
    message: 'x',
    retryAfter,
  });
  const isTaken = (frame: object): boolean => parseHubFrame(JSON.stringify(frame)).ok;

  test.each(['blobBytes', 'ttlSeconds', 'inFlight', 'signedPrekeys', 'oneTimePrekeys', 'pending'])(
    'a hub announces no %s above those of the protocol',
    (name) => {
      const most = limits[name as keyof typeof limits];
      expect(isTaken(hello({ [name]: most }))).toBe(true);
      expect(isTaken(hello({ [name]: most + 1 }))).toBe(false);
      expect(isTaken(hello({ [name]: -1 }))).toBe(false);
    },
  );

  test('how often it delivered, what waits and how many prekeys it has are within their frames', () => {
    const { deliveryAttempts, oneTimePrekeys } = PROTOCOL_LIMITS;
    expect([1, deliveryAttempts].map((attempt) => isTaken(delivered(attempt)))).toEqual([
      true,
      true,
    ]);
    const beyond = [0, -1, 1.5, deliveryAttempts + 1, 2 ** 53];
    expect(beyond.filter((attempt) => isTaken(delivered(attempt)))).toEqual([]);
    expect(isTaken(admitted({ queued: 2 ** 32 - 1, oneTimePrekeys }))).toBe(true);
    const wrong = [{ queued: 2 ** 32 }, { queued: -1 }, { oneTimePrekeys: oneTimePrekeys + 1 }];
    expect(wrong.filter((changed) => isTaken(admitted(changed)))).toEqual([]);
  });

  test('it asks to wait for a day at most', () => {
    expect(isTaken(refused(PROTOCOL_LIMITS.retryAfterMs))).toBe(true);
    const beyond = [PROTOCOL_LIMITS.retryAfterMs + 1, -1, 2 ** 60];
    expect(beyond.filter((retryAfter) => isTaken(refused(retryAfter)))).toEqual([]);
  });
});

describe('T-A32 unproven-refusal', () => {
  const FINAL = ['REVOKED', 'NAME_TAKEN', 'DISPLACED', 'BAD_AUTH', 'BLOCKED', 'NOBODY_KNOWS_THIS'];

  /** What an opening ends with that is met with these frames and then cut. */
  async function metWith(greeted: boolean, frame: HubFrame): Promise<unknown> {
    const script = new ScriptedHub();
    if (greeted) script.greet();
    const re = greeted ? script.lastId() : undefined;
    script.say(frame.type === 'error' && re !== undefined ? { ...frame, re } : frame);
    script.channel.lost();
    return script.channel.opened.catch((error: unknown) => error);
  }

  test.each(FINAL)('%s without a signature may pass, before and after the proof', async (code) => {
    for (const greeted of [false, true]) {
      for (const frame of [
        { type: 'error', code, message: 'go away for ever' },
        { type: 'bye', code },
        { type: 'bye', code, signature: new Uint8Array(64).fill(1) },
      ] as const) {
        const error = await metWith(greeted, frame);
        expect(error).toMatchObject({ retryable: true });
        expect(String(error)).not.toContain('go away');
      }
    }
  });

  test('what may pass keeps its code, and a stranger sets no time to wait', async () => {
    const late = { type: 'error', code: 'RATE_LIMITED', message: 'x', retryAfter: 86_400_000 };
    const error = await metWith(false, late as HubFrame);
    expect(error).toMatchObject({ code: 'RATE_LIMITED', retryable: true });
    expect((error as { retryAfterMs?: number }).retryAfterMs).toBeUndefined();
  });

  test('in a running connection: an unsigned goodbye and an unsigned refusal end it for now', async () => {
    const displaced = await ScriptedHub.opened();
    displaced.say({ type: 'bye', code: 'DISPLACED' });
    displaced.channel.lost();
    expect(displaced.news).toEqual(['closed HUB_UNPROVEN']);
    const refused = await ScriptedHub.opened();
    const sending = refused.channel.send(envelope);
    refused.say({ type: 'error', re: refused.lastId(), code: 'UNKNOWN_RECIPIENT', message: 'x' });
    expect(await outcome(sending)).toBe('HUB_UNPROVEN');
    expect(refused.news).toEqual(['closed HUB_UNPROVEN']);
  });

  test('signed by the hub, each of them is its word', async () => {
    const displaced = await ScriptedHub.opened();
    displaced.say(displaced.signed({ type: 'bye', code: 'DISPLACED' }));
    displaced.channel.lost();
    expect(displaced.news).toEqual(['closed DISPLACED']);
    const refused = await ScriptedHub.opened();
    const sending = refused.channel.send(envelope);
    const re = refused.lastId();
    refused.say(
      refused.signed({ type: 'error', re, code: 'UNKNOWN_RECIPIENT', message: 'not here' }),
    );
    await expect(sending).rejects.toMatchObject({
      code: 'UNKNOWN_RECIPIENT',
      message: 'not here',
    });
    expect(refused.closed).toBe(false);
  });
});

describe('T-A33 credit-overrun', () => {
  const { initialCreditMessages, initialCreditBytes } = PROTOCOL_LIMITS;

  test('a hub that pushes more messages than it was asked for is cut off', async () => {
    const script = await ScriptedHub.opened();
    for (let seq = 1; seq <= initialCreditMessages; seq++) script.say(delivery(seq));
    expect(script.closed).toBe(false);
    script.channel.credit({ messages: 1, bytes: 4 });
    script.say(delivery(initialCreditMessages + 1));
    expect(script.closed).toBe(false);
    script.say(delivery(initialCreditMessages + 2));
    expect(script.closed).toBe(true);
    expect(script.news.at(-1)).toBe('closed CONNECTION_LOST');
    expect(script.news).toHaveLength(initialCreditMessages + 2);
  });

  test('a hub that pushes more bytes than it was asked for is cut off', async () => {
    const script = await ScriptedHub.opened();
    const { blobBytes } = PROTOCOL_LIMITS;
    for (let seq = 1; seq <= initialCreditBytes / blobBytes; seq++) {
      script.say(delivery(seq, blobBytes));
    }
    expect(script.closed).toBe(false);
    script.say(delivery(9, 1));
    expect(script.closed).toBe(true);
  });

  test('notices that nobody takes yet are held up to a bound', async () => {
    const script = new ScriptedHub();
    script.greet();
    script.admit();
    await script.channel.opened;
    const notice = { type: 'notice', id: new Uint8Array(16), what: 'expired' } as const;
    let said = 0;
    while (!script.closed) {
      script.say(notice);
      said += 1;
    }
    expect(said).toBeLessThan(20_000);
  });
});
