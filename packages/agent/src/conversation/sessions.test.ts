import { describe, expect, test } from '@jest/globals';
import { AGENT_LIMITS } from '../ground/limits.js';
import { activeSession, boundSessions, conditionOf, doubtUnanswered } from './sessions.js';
import type { SessionEntry } from './sessions.js';

const DAY_MS = 86_400_000;
const here = new Uint8Array(16).fill(1);
const elsewhere = new Uint8Array(16).fill(2);

function entry(sid: number, fields: Partial<SessionEntry> = {}): SessionEntry {
  return {
    sid: new Uint8Array(16).fill(sid),
    generation: 1,
    ours: true,
    epoch: 1,
    createdMs: 0,
    usedMs: 0,
    sent: 0,
    instance: here,
    boot: 1,
    heard: true,
    doubtful: false,
    oneTimePrekey: true,
    skipped: 0,
    lastNumber: 0,
    ...fields,
  };
}

const standing = { epoch: 1, instance: here };

describe('the active session', () => {
  test('is the one with the highest generation, then with the lowest sid', () => {
    const low = entry(1);
    const lower = entry(0);
    const higher = entry(9, { generation: 2 });
    expect(activeSession([low, lower], standing)).toBe(lower);
    expect(activeSession([low, higher, lower], standing)).toBe(higher);
    expect(activeSession([], standing)).toBeNull();
  });

  test('belongs to our epoch and to the store that the peer has now', () => {
    const old = entry(1, { generation: 9, epoch: 0 });
    const lost = entry(2, { generation: 8, instance: elsewhere });
    const now = entry(3);
    expect(activeSession([old, lost, now], standing)).toBe(now);
    expect(activeSession([old, lost], standing)).toBeNull();
  });

  test('may be one of ours that was not answered yet, unless that is doubtful', () => {
    const mine = entry(5, { generation: 2, instance: null });
    const his = entry(3);
    expect(activeSession([his, mine], standing)).toBe(mine);
    expect(activeSession(doubtUnanswered([his, mine]), standing)?.sid).toEqual(his.sid);
  });

  test('ages: old after 7 days or 10,000 messages, unusable if it was never answered', () => {
    const week = 7 * DAY_MS;
    expect(conditionOf(entry(1), week - 1)).toBe('fresh');
    expect(conditionOf(entry(1), week)).toBe('old');
    expect(conditionOf(entry(1, { sent: 9_999 }), 0)).toBe('fresh');
    expect(conditionOf(entry(1, { sent: 10_000 }), 0)).toBe('old');
    expect(conditionOf(entry(1, { instance: null }), week)).toBe('unusable');
  });
});

test('no session sends beside a better one of the peer in which we only receive', () => {
  const now = { ...standing, epoch: standing.epoch + 1 };
  const sending = entry(5, { epoch: now.epoch, instance: null });
  const begunByPeer = { epoch: standing.epoch, ours: false };
  expect(activeSession([sending, entry(1, begunByPeer)], now)).toBeNull();
  expect(activeSession([sending, entry(9, begunByPeer)], now)).toBe(sending);
  expect(activeSession([sending, entry(1, { ...begunByPeer, ours: true })], now)).toBe(sending);
});

describe('the bound on sessions', () => {
  test('keeps eight, the active one among them, and drops the longest unused', () => {
    const active = entry(0, { generation: 9, usedMs: 1 });
    const others = Array.from({ length: 9 }, (_, n) => entry(n + 1, { usedMs: 10 + n }));
    const { kept, dropped } = boundSessions([active, ...others], standing, 100);
    expect(kept).toHaveLength(8);
    expect(kept).toContain(active);
    expect(dropped).toEqual(others.slice(0, 2));
  });

  test('drops what has drained for two weeks, but never the active one', () => {
    const active = entry(0, { generation: 2 });
    const drained = entry(1, { usedMs: 0 });
    const { kept, dropped } = boundSessions(
      [active, drained],
      standing,
      AGENT_LIMITS.sessionDrainMs,
    );
    expect([kept, dropped]).toEqual([[active], [drained]]);
  });
});
