/** What may be sealed again for whoever asks, and when. */
import { expect, test } from '@jest/globals';
import { AGENT_LIMITS } from '../ground/limits.js';
import { Repeats } from './repeats.js';

const peer = new Uint8Array(32).fill(1);
const other = new Uint8Array(32).fill(2);
const MINUTE = 60_000;
const at = (aid: Uint8Array, number: number, epoch = 1) => ({ aid, epoch, number });

test('a content is sealed again at once, then after waits that double', () => {
  const repeats = new Repeats();
  let nowMs = 0;
  for (const waitMs of [0, 1_000, 2_000, 4_000]) {
    expect(waitMs === 0 || !repeats.may(at(peer, 7), nowMs + waitMs - 1)).toBe(true);
    nowMs += waitMs;
    expect(repeats.may(at(peer, 7), nowMs)).toBe(true);
    repeats.add(at(peer, 7), { bytes: 1, nowMs });
  }
  expect(repeats.may(at(peer, 8), nowMs)).toBe(true);
});

test('T-A57 amplified-retries: small requests bring no more than the bytes of a minute', () => {
  const repeats = new Repeats();
  const bytes = 1024 * 1024;
  let sent = 0;
  for (let request = 0; request < 6; request++) {
    for (let number = 1; number <= 256; number++) {
      const nowMs = request * 9_000;
      if (!repeats.may(at(peer, number), nowMs)) continue;
      repeats.add(at(peer, number), { bytes, nowMs });
      sent += bytes;
    }
  }
  expect(sent).toBeLessThanOrEqual(AGENT_LIMITS.retryBytesPerMinute);
  // Nobody else's share is taken, and the next minute has its own.
  expect(repeats.may(at(other, 1), 50_000)).toBe(true);
  expect(repeats.may(at(peer, 300), MINUTE)).toBe(true);
});

test('what is kept no more is forgotten', () => {
  const repeats = new Repeats();
  for (const number of [1, 2, 3]) repeats.add(at(peer, number), { bytes: 1, nowMs: 0 });
  repeats.forgetBelow(peer, 3);
  expect([1, 2, 3].map((number) => repeats.may(at(peer, number), 0))).toEqual([true, true, false]);
});

test('another identity of ours has numbers of its own, and no bytes more', () => {
  const repeats = new Repeats();
  repeats.add(at(peer, 1), { bytes: 1, nowMs: 0 });
  expect(repeats.may(at(peer, 1), 0)).toBe(false);
  expect(repeats.may(at(peer, 1, 2), 0)).toBe(true);
  repeats.add(at(peer, 1, 2), { bytes: AGENT_LIMITS.retryBytesPerMinute, nowMs: 0 });
  expect(repeats.may(at(peer, 2, 3), 0)).toBe(false);
});
