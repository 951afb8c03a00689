import { createRevocation } from '@agentmesh/crypto';
import { describe, expect, test } from '@jest/globals';
import { agent, alice, bob, DAY, flipped, hub, NOW, prekey, record } from '../test/agents.js';
import {
  readPublishedRevocation,
  verifyPublishedPrekeys,
  verifyPublishedRecord,
  verifyPublishedRevocation,
} from './publication.js';
import type { PrekeyPublication, RecordPublication } from './publication.js';

const refusedWith = (code: string, detail = '') => ({
  ok: false,
  error: { code, message: expect.stringContaining(detail) as unknown },
});

function publish(bytes: Uint8Array, changes: Partial<RecordPublication> = {}) {
  return verifyPublishedRecord({
    record: bytes,
    owner: alice.identity,
    name: 'alice',
    hubId: hub.hubId,
    nowMs: NOW,
    stored: null,
    ...changes,
  });
}

describe('verifyPublishedRecord', () => {
  const first = record(alice);

  test('accepts a first record, a newer one, and the stored one again', () => {
    expect(publish(first)).toMatchObject({
      ok: true,
      value: { change: 'new', record: { name: 'alice', revision: 1, bytes: first } },
    });
    const second = record(alice, { revision: 2 });
    expect(publish(second, { stored: first })).toMatchObject({
      ok: true,
      value: { change: 'new' },
    });
    expect(publish(first, { stored: first })).toMatchObject({
      ok: true,
      value: { change: 'same' },
    });
  });

  test('T-A6 put-for-another: the record of another identity is refused', () => {
    expect(publish(record(bob))).toMatchObject(refusedWith('NOT_OWNER'));
    expect(publish(first, { owner: bob.identity })).toMatchObject(refusedWith('NOT_OWNER'));
  });

  test('T-K5 foreign-name (UKS): a record of another name is refused', () => {
    expect(publish(record(alice, { name: 'bob' }))).toMatchObject(
      refusedWith('BAD_RECORD', 'name'),
    );
    expect(publish(first, { name: 'charlie' })).toMatchObject(refusedWith('BAD_RECORD', 'name'));
  });

  test('T-K8 old-record: a lower revision is refused', () => {
    const stored = record(alice, { revision: 2 });
    expect(publish(first, { stored })).toMatchObject(refusedWith('BAD_RECORD', 'revision'));
  });

  test('refuses other bytes of the stored revision', () => {
    const other = record(alice, { validUntilMs: NOW + 2 * DAY });
    expect(publish(other, { stored: first })).toMatchObject(refusedWith('BAD_RECORD', 'revision'));
  });

  test('refuses a record for another hub or for none', () => {
    for (const hubId of [flipped(hub.hubId, 0), new Uint8Array(32)]) {
      expect(publish(record(alice, { hubId }))).toMatchObject(refusedWith('BAD_RECORD', 'hub'));
    }
  });

  test('refuses a record from the millisecond of its expiry on', () => {
    expect(publish(first, { nowMs: NOW + DAY - 1 }).ok).toBe(true);
    expect(publish(first, { nowMs: NOW + DAY })).toMatchObject(
      refusedWith('BAD_RECORD', 'expired'),
    );
  });

  test('refuses every truncation, extension and changed byte', () => {
    for (let at = 0; at < first.length; at++) {
      expect(publish(first.slice(0, at))).toMatchObject(refusedWith('BAD_RECORD'));
      expect(publish(flipped(first, at)).ok).toBe(false);
    }
    expect(publish(Uint8Array.of(...first, 0))).toMatchObject(refusedWith('BAD_RECORD'));
  });

  test('lets an identity hand its name to the successor that it has signed', () => {
    const handover = record(bob, { previous: alice });
    expect(publish(handover, { stored: first })).toMatchObject({
      ok: true,
      value: { change: 'successor', record: { identity: bob.identity } },
    });
    expect(publish(handover, { owner: bob.identity })).toMatchObject({
      ok: true,
      value: { change: 'new' },
    });
  });

  test('refuses a successor that another signed, or with a broken signature', () => {
    const byCarol = record(bob, { previous: agent(3) });
    expect(publish(byCarol)).toMatchObject(refusedWith('NOT_OWNER'));
    const broken = flipped(record(bob, { previous: alice }), -1);
    expect(publish(broken)).toMatchObject(refusedWith('NOT_OWNER'));
  });

  test('does not measure a successor by the revision of its predecessor', () => {
    const stored = record(alice, { revision: 7 });
    const handover = record(bob, { previous: alice, revision: 1 });
    expect(publish(handover, { stored }).ok).toBe(true);
    expect(publish(handover, { owner: bob.identity, stored }).ok).toBe(true);
  });

  test('throws on a damaged store instead of blaming the client', () => {
    expect(() => publish(first, { stored: flipped(first, 50) })).toThrow(
      expect.objectContaining({ name: 'CryptoError' }),
    );
  });
});

describe('verifyPublishedRevocation', () => {
  const ofAlice = () => createRevocation(alice, { timeMs: NOW, reason: 1 });

  function judge(bytes: Uint8Array, stored: Uint8Array) {
    const read = readPublishedRevocation(bytes);
    return read.ok ? verifyPublishedRevocation(read.value, stored) : read;
  }

  test('accepts what the identity of the stored record signed, however old that record is', () => {
    const value = { aid: alice.identity.aid, timeMs: NOW, reason: 1, bytes: ofAlice() };
    expect(judge(ofAlice(), record(alice))).toMatchObject({ ok: true, value });
    const expired = record(alice, { validUntilMs: NOW - DAY });
    expect(judge(ofAlice(), expired)).toMatchObject({ ok: true, value });
  });

  test('refuses the revocation of another identity, and each damaged byte', () => {
    expect(judge(ofAlice(), record(bob))).toMatchObject(refusedWith('BAD_RECORD', 'signed'));
    const bytes = ofAlice();
    for (let at = 0; at < bytes.length; at++) {
      expect(judge(flipped(bytes, at), record(alice))).toMatchObject(refusedWith('BAD_RECORD'));
    }
    for (const wrong of [bytes.subarray(1), Uint8Array.of(...bytes, 0)]) {
      expect(judge(wrong, record(alice))).toMatchObject(refusedWith('BAD_RECORD'));
    }
  });

  test('throws on a damaged store instead of blaming the client', () => {
    expect(() => judge(ofAlice(), flipped(record(alice), 50))).toThrow(
      expect.objectContaining({ name: 'CryptoError' }),
    );
  });
});

function upload(changes: Partial<PrekeyPublication> = {}) {
  return verifyPublishedPrekeys({
    signed: [],
    oneTime: [],
    replaceAll: false,
    owner: alice.identity,
    nowMs: NOW,
    stored: { signed: [], oneTimeIds: [] },
    ...changes,
  });
}

function idsOf(outcome: ReturnType<typeof upload>): unknown {
  if (!outcome.ok) return outcome.error.code;
  const { signed, oneTime } = outcome.value;
  return { signed: signed.map(({ id }) => id), oneTime: oneTime.map(({ id }) => id) };
}

const signed = (id: number, options = {}): Uint8Array => prekey(alice, 'signed', id, options);
const oneTime = (id: number, options = {}): Uint8Array => prekey(alice, 'one-time', id, options);
const idsFrom1To = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

describe('verifyPublishedPrekeys', () => {
  test('accepts a first upload and hands out parsed records', () => {
    const bytes = signed(1);
    const outcome = upload({ signed: [bytes], oneTime: [oneTime(2), oneTime(3)] });
    expect(idsOf(outcome)).toEqual({ signed: [1], oneTime: [2, 3] });
    expect(outcome).toMatchObject({ value: { signed: [{ bytes, kind: 'signed' }] } });
  });

  test('accepts an upload of nothing', () => {
    expect(idsOf(upload({ stored: { signed: [signed(1)], oneTimeIds: [5] } }))).toEqual({
      signed: [1],
      oneTime: [],
    });
  });

  test('keeps the two newest signed prekeys, the newest first', () => {
    const [old, middle, fresh] = [1, 2, 3].map((id) => signed(id, { createdMs: NOW - 9 + id }));
    if (!old || !middle || !fresh) throw new TypeError('three prekeys');
    const stored = { signed: [old, middle], oneTimeIds: [] };
    expect(idsOf(upload({ signed: [fresh], stored }))).toMatchObject({ signed: [3, 2] });
    expect(idsOf(upload({ signed: [fresh, old], stored }))).toMatchObject({ signed: [3, 2] });
    expect(idsOf(upload({ signed: [signed(9, { createdMs: NOW - 7 })], stored }))).toMatchObject({
      signed: [9, 2],
    });
  });

  test('replaces all: what is stored counts no more', () => {
    const stored = { signed: [signed(1)], oneTimeIds: idsFrom1To(100) };
    const all = { signed: [signed(2)], oneTime: [oneTime(1)], replaceAll: true, stored };
    expect(idsOf(upload(all))).toEqual({ signed: [2], oneTime: [1] });
    expect(upload({ ...all, signed: [] })).toMatchObject(
      refusedWith('BAD_PREKEY', 'without a signed prekey'),
    );
  });

  test('leaves out one-time prekeys that are stored already, as after a lost answer', () => {
    const stored = { signed: [], oneTimeIds: [1, 2] };
    const again = { oneTime: [oneTime(1), oneTime(2), oneTime(3)], stored };
    expect(idsOf(upload(again))).toMatchObject({ oneTime: [3] });
  });

  test('T-A6 put-for-another: prekeys of another identity are refused', () => {
    expect(upload({ signed: [prekey(bob, 'signed', 1)] })).toMatchObject(refusedWith('BAD_PREKEY'));
    expect(upload({ oneTime: [prekey(bob, 'one-time', 1)] })).toMatchObject(
      refusedWith('BAD_PREKEY'),
    );
  });

  test('refuses a prekey of the other kind', () => {
    expect(upload({ signed: [oneTime(1)] })).toMatchObject(refusedWith('BAD_PREKEY', 'signed'));
    expect(upload({ oneTime: [signed(1)] })).toMatchObject(refusedWith('BAD_PREKEY', 'one-time'));
  });

  test('refuses a prekey from the millisecond of its expiry on', () => {
    for (const list of [{ signed: [signed(1)] }, { oneTime: [oneTime(1)] }]) {
      expect(upload({ ...list, nowMs: NOW + DAY - 1 }).ok).toBe(true);
      expect(upload({ ...list, nowMs: NOW + DAY })).toMatchObject(
        refusedWith('BAD_PREKEY', 'expired'),
      );
    }
  });

  test('refuses a changed byte anywhere and any other length', () => {
    const bytes = oneTime(1);
    for (const at of [0, 4, 5, 36, 40, 41, 72, 73, 1256, 1257, 1264, 1265, 1273, 1336]) {
      expect(upload({ oneTime: [flipped(bytes, at)] })).toMatchObject(refusedWith('BAD_PREKEY'));
    }
    for (const other of [bytes.slice(0, 1336), Uint8Array.of(...bytes, 0), new Uint8Array(0)]) {
      expect(upload({ oneTime: [other] })).toMatchObject(refusedWith('BAD_PREKEY'));
    }
  });

  test('refuses one bad prekey among good ones, and with it the whole upload', () => {
    const list = [oneTime(1), flipped(oneTime(2), 100), oneTime(3)];
    expect(upload({ signed: [signed(1)], oneTime: list })).toMatchObject(refusedWith('BAD_PREKEY'));
  });

  test('refuses an id used twice, or for another prekey than the stored one', () => {
    expect(upload({ oneTime: [oneTime(1), oneTime(1)] })).toMatchObject(
      refusedWith('BAD_PREKEY', 'id used twice'),
    );
    expect(upload({ signed: [signed(1), signed(1, { salt: 9 })] })).toMatchObject(
      refusedWith('BAD_PREKEY', 'id used twice'),
    );
    const stored = { signed: [signed(1)], oneTimeIds: [] };
    expect(upload({ signed: [signed(1, { salt: 9 })], stored })).toMatchObject(
      refusedWith('BAD_PREKEY', 'id used for another'),
    );
    expect(idsOf(upload({ signed: [signed(1)], stored }))).toMatchObject({ signed: [1] });
  });

  test('stores 100 one-time prekeys and not 101', () => {
    const stored = { signed: [], oneTimeIds: idsFrom1To(98) };
    const two = { oneTime: [oneTime(101), oneTime(102)], stored };
    expect(upload(two).ok).toBe(true);
    expect(upload({ ...two, oneTime: [...two.oneTime, oneTime(103)] })).toMatchObject(
      refusedWith('LIMIT'),
    );
    expect(upload({ oneTime: idsFrom1To(101).map(() => new Uint8Array(0)) })).toMatchObject(
      refusedWith('LIMIT'),
    );
  });

  test('takes two signed prekeys and not three', () => {
    expect(upload({ signed: [signed(1), signed(2)] }).ok).toBe(true);
    expect(upload({ signed: [signed(1), signed(2), signed(3)] })).toMatchObject(
      refusedWith('LIMIT'),
    );
  });

  test('obeys lower limits of a hub', () => {
    const limits = { signedPrekeys: 1, oneTimePrekeys: 1 };
    expect(idsOf(upload({ signed: [signed(2)], oneTime: [oneTime(1)], limits }))).toEqual({
      signed: [2],
      oneTime: [1],
    });
    expect(upload({ oneTime: [oneTime(1), oneTime(2)], limits })).toMatchObject(
      refusedWith('LIMIT'),
    );
    expect(upload({ signed: [signed(1), signed(2)], limits })).toMatchObject(refusedWith('LIMIT'));
  });

  test('throws on a damaged store instead of blaming the client', () => {
    const stored = { signed: [flipped(signed(1), 700)], oneTimeIds: [] };
    expect(() => upload({ stored })).toThrow(expect.objectContaining({ name: 'CryptoError' }));
  });
});
