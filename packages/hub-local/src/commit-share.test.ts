import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  LEAST_SHARE,
  MOST_BESIDE,
  RecentSenders,
  shareOfEach,
  SMALLEST_SHARE,
} from './commit-share.js';

const ALL = 8 * 1_024 * 1_024;
const SMALL = 1_280;
const asking = fc.integer({ min: 1, max: 4 * ALL });
const crowd = fc.array(fc.oneof(asking, fc.integer({ min: 1, max: LEAST_SHARE - 1 })), {
  minLength: 2,
  maxLength: 60,
});
const sum = (costs: readonly number[]): number => costs.reduce((all, one) => all + one, 0);

describe('what one sender gets of a commit', () => {
  test('alone, all of it', () => {
    expect(shareOfEach([], ALL)).toBe(ALL);
    expect(shareOfEach([100 * ALL], ALL)).toBe(ALL);
  });

  test('senders of the same speed get what they ask for, a flood beside others little', () => {
    expect(shareOfEach(Array<number>(8).fill(300_000), ALL)).toBe(300_000);
    const quiet = Array<number>(50).fill(SMALL);
    expect(shareOfEach([...quiet, ALL], ALL)).toBe(LEAST_SHARE);
    // Many that flood get no more together, however many they call themselves, down to a turn.
    expect(shareOfEach([...quiet, ...Array<number>(8).fill(ALL)], ALL)).toBe(MOST_BESIDE / 8);
    expect(shareOfEach([...quiet, ...Array<number>(99).fill(ALL)], ALL)).toBe(SMALLEST_SHARE);
  });

  test('whoever asks for least, or for less than a turn, is never put back', () => {
    fc.assert(
      fc.property(crowd, (asked) => {
        const share = shareOfEach(asked, ALL);
        const least = Math.min(...asked);
        expect(share).toBeGreaterThanOrEqual(Math.min(least, LEAST_SHARE, SMALLEST_SHARE));
        if (least >= LEAST_SHARE) expect(share).toBe(Math.min(least, ALL));
        expect(share).toBeGreaterThanOrEqual(SMALLEST_SHARE);
      }),
    );
  });

  test('a commit is short for whoever asks for little, and bounded by what it asks for else', () => {
    fc.assert(
      fc.property(crowd, (asked) => {
        const share = shareOfEach(asked, ALL);
        const least = Math.min(...asked);
        const taken = sum(
          asked.filter((one) => one > LEAST_SHARE).map((one) => Math.min(one, share)),
        );
        const many = asked.filter((one) => one > LEAST_SHARE).length;
        const bound = Math.max(MOST_BESIDE, many * Math.max(SMALLEST_SHARE, least));
        expect(taken).toBeLessThanOrEqual(bound);
      }),
    );
  });

  test('nobody who asks for more takes from others: the share never grows with it', () => {
    fc.assert(
      fc.property(crowd, fc.nat(ALL), (asked, more) => {
        const greedy = [...asked];
        const at = greedy.indexOf(Math.max(...greedy));
        greedy[at] = (greedy[at] ?? 0) + more;
        expect(shareOfEach(greedy, ALL)).toBeLessThanOrEqual(shareOfEach(asked, ALL));
      }),
    );
  });
});

describe('who is there', () => {
  const FLOOD = 500_000;

  test('a sender is one of the others from its first envelope on, for a second or two', () => {
    const senders = new RecentSenders();
    senders.note('flood', FLOOD, 10);
    expect(senders.share(ALL, 10)).toBe(ALL);
    senders.note('honest', SMALL, 20);
    expect(senders.share(ALL, 20)).toBe(LEAST_SHARE);
    senders.note('flood', FLOOD, 1_900);
    expect(senders.share(ALL, 1_900)).toBe(LEAST_SHARE);
    senders.note('flood', FLOOD, 2_100);
    expect(senders.share(ALL, 2_100)).toBe(ALL);
  });

  test('what counts is the most that a sender had waiting, not what is left at the moment', () => {
    const senders = new RecentSenders();
    for (const nowMs of [0, 1_000]) {
      for (const name of ['a', 'b']) {
        for (const waiting of [SMALL, FLOOD, SMALL]) senders.note(name, waiting, nowMs);
      }
    }
    expect(senders.share(ALL, 1_030)).toBe(FLOOD);
    for (const name of ['a', 'b']) senders.note(name, SMALL, 2_000);
    expect(senders.share(ALL, 2_060)).toBe(FLOOD);
    for (const name of ['a', 'b']) senders.note(name, SMALL, 3_000);
    expect(senders.share(ALL, 3_090)).toBe(LEAST_SHARE);
  });

  test('remembers a bounded number, and nobody when the clock goes back by much', () => {
    const senders = new RecentSenders();
    for (let n = 0; n < 10_000; n++) senders.note(`s${n}`, SMALL, 5_000_000);
    senders.note('flood', FLOOD, 5_000_000);
    expect(senders.share(ALL, 5_000_000)).toBe(LEAST_SHARE);
    senders.note('flood', FLOOD, 1_000);
    expect(senders.share(ALL, 1_000)).toBe(ALL);
  });
});
