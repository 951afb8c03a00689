/**
 * Which numbers of two runs of one store are the same, and which show that it went back in time.
 */
import { describe, expect, test } from '@jest/globals';
import type { Peer } from './peer.js';
import { continued, decodeRunWord, encodeRunWord, isEarlierRun, windowsOf } from './run.js';
import { emptyWindow, missing, observe } from './sequence-window.js';
import type { SequenceWindow } from './sequence-window.js';

const instance = (run: number): Uint8Array => new Uint8Array(16).fill(run, 8).fill(7, 0, 8);
const at = (run: number) => ({ since: 1, instance: instance(run) });

function windowOfRun(run: number, ...numbers: readonly number[]): SequenceWindow {
  return numbers.reduce(
    (window, number) => observe(window, { number, boot: run }).window,
    emptyWindow(at(run)),
  );
}

const peerWith = (...windows: readonly SequenceWindow[]): Peer =>
  ({ windows, instance: windows.at(-1)?.instance ?? null }) as unknown as Peer;

const goesOn = (run: number, number: number) =>
  ({ what: 'goesOn', instance: instance(run), number }) as const;

describe('a run that goes on', () => {
  test('begins with what is known of the numbers below it, holes included', () => {
    const peer = peerWith(windowOfRun(1, 1, 2, 4));
    const { window, wentBack } = continued(peer, at(2), goesOn(1, 6));
    expect(wentBack).toBeNull();
    expect(window.low).toBe(2);
    const seen = observe(window, { number: 6, boot: 2 }).window;
    expect(missing(seen, 9)).toEqual([
      { from: 3, to: 3 },
      { from: 5, to: 5 },
    ]);
  });

  test('shows that the store went back if numbers were used from there on', () => {
    const parent = windowOfRun(1, 1, 2, 3);
    const { window, wentBack } = continued(peerWith(parent), at(2), goesOn(1, 3));
    expect(wentBack).toBe(parent);
    expect([window.low, window.seen]).toEqual([2, [1, 2]]);
  });

  test('of an instance that is not known misses its numbers, and takes none for received', () => {
    const { window, wentBack } = continued(peerWith(), at(2), goesOn(1, 3));
    expect([window.low, window.seen, wentBack]).toEqual([0, [], null]);
  });

  test('says so once: later words change nothing', () => {
    const first = continued(peerWith(windowOfRun(1, 1, 2)), at(2), goesOn(1, 3)).window;
    const peer = peerWith(windowOfRun(1, 1, 2), first);
    expect(continued(peer, at(2), goesOn(1, 9)).window).toBe(first);
  });
});

test('that goes on from itself, if only by way of another one, is not believed', () => {
  const self = continued(peerWith(windowOfRun(1, 1)), at(1), goesOn(1, 9)).window;
  expect(self.parent).toBeNull();
  const child = continued(peerWith(windowOfRun(1, 1)), at(2), goesOn(1, 9)).window;
  const circle = peerWith(windowOfRun(1, 1), child);
  const { window } = continued(circle, at(1), goesOn(2, 9));
  expect(window.parent).toBeNull();
  expect(windowsOf(peerWith(window, child), at(1), 3, false)).toEqual([window, child]);
});

describe('a number', () => {
  const parent = windowOfRun(1, 1, 2);
  const child = continued(peerWith(parent), at(2), goesOn(1, 5)).window;
  const peer = peerWith(parent, child);

  test('below the later run counts in both, whichever of them it comes with', () => {
    expect(windowsOf(peer, at(1), 3, false)).toEqual([parent, child]);
    expect(windowsOf(peerWith(child), at(1), 3, false)).toEqual([child]);
  });

  test('from there on counts in its own run only', () => {
    expect(windowsOf(peer, at(1), 5, false)).toEqual([parent]);
    expect(windowsOf(peer, at(2), 5, false)).toEqual([child]);
  });
});

describe('where the run between two is forgotten, or never came', () => {
  const first = windowOfRun(1, 1, 2, 4);
  const third = continued(peerWith(first), at(3), goesOn(2, 7)).window;
  const peer = peerWith(first, third);

  test('what came before it counts, and what is missing is asked for', () => {
    expect([third.low, third.parent]).toEqual([2, { instance: instance(2), from: 7 }]);
    const seen = observe(third, { number: 7, boot: 3 }).window;
    expect(missing(seen, 9)).toEqual([
      { from: 3, to: 3 },
      { from: 5, to: 6 },
    ]);
  });

  test('a number that is missing counts in the present run too, and one that came is the same', () => {
    expect(windowsOf(peer, at(1), 3, false)).toEqual([first, third]);
    expect(windowsOf(peer, at(2), 5, false)).toEqual([third]);
    expect(windowsOf(peerWith(third), at(1), 4, true)).toEqual([third]);
  });

  test('another message with a number that came is none of the present run', () => {
    expect(windowsOf(peerWith(third), at(1), 4, false)).toEqual([emptyWindow(at(1))]);
    expect(windowsOf(peer, at(2), 7, false)).toEqual([emptyWindow(at(2))]);
  });

  test('numbers that the last one known has given are no earlier ones', () => {
    const { window, wentBack } = continued(peerWith(first), at(3), goesOn(2, 4));
    expect([window.low, wentBack]).toEqual([0, null]);
  });
});

test('runs are ordered by what was said of them', () => {
  const child = continued(peerWith(windowOfRun(1, 1)), at(2), goesOn(1, 2)).window;
  const grandchild = continued(peerWith(child), at(3), goesOn(2, 2)).window;
  const peer = peerWith(child, grandchild);
  expect(isEarlierRun(peer, at(1), instance(3))).toBe(true);
  expect(isEarlierRun(peer, at(2), instance(3))).toBe(true);
  expect(isEarlierRun(peer, at(3), instance(2))).toBe(false);
});

test('a word reads back as it was written, and nothing else is one', () => {
  for (const word of [goesOn(1, 7), { ...goesOn(2, 2 ** 40), what: 'wentBack' as const }]) {
    expect(decodeRunWord(encodeRunWord(word))).toEqual(word);
  }
  const body = encodeRunWord(goesOn(1, 7));
  for (const bad of [body.subarray(1), Uint8Array.of(2, ...body.subarray(1)), new Uint8Array()]) {
    expect(() => decodeRunWord(bad)).toThrow(expect.objectContaining({ code: 'BAD_CONTENT' }));
  }
});
