/**
 * Which numbers of two runs of one store are the same, and which show that it went back in time.
 */
import { readFileSync } from 'node:fs';
import { fromHex, toHex } from '@agentmesh/crypto';
import { describe, expect, test } from '@jest/globals';
import { AGENT_LIMITS } from '../ground/limits.js';
import type { Peer } from './peer.js';
import {
  continued,
  decodeRunWord,
  encodeRunWord,
  goneOn,
  isEarlierRun,
  lineFrom,
  unheard,
  windowsOf,
  withLink,
} from './run.js';
import type { RunWord } from './run.js';
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
  ({ what: 'goesOn', instance: instance(run), number, before: [] }) as const;

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
    expect([third.low, third.parent]).toEqual([2, { instance: instance(2), from: 7, before: [] }]);
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

describe('a run whose word names those before it', () => {
  const heard = windowOfRun(1, 1, 2, 3, 4);
  const lost = windowOfRun(2, 5, 6);
  const word = { ...goesOn(4, 8), before: [{ instance: instance(1), number: 5 }] };

  test('takes nothing of a lost time for what one said of which nothing was heard', () => {
    const { windows, wentBack } = goneOn(peerWith(heard, lost), at(5), word);
    expect(windows.map(({ instance: its, low }) => [its, low])).toEqual([[instance(5), 4]]);
    expect(wentBack).toBeNull();
    const seen = observe(windows[0] ?? heard, { number: 8, boot: 5 }).window;
    expect(missing(seen, 9)).toEqual([{ from: 5, to: 7 }]);
    // Also what comes late of the lost time counts there only.
    const peer = peerWith(heard, lost, seen);
    expect(windowsOf(peer, at(2), 7, false)).toEqual([lost]);
    expect(windowsOf(peer, at(4), 7, false)).toEqual([seen]);
    expect(windowsOf(peer, at(1), 4, false)).toEqual([heard, seen]);
    expect([1, 2, 4].map((run) => isEarlierRun(peer, at(run), instance(5)))).toEqual([
      true,
      false,
      true,
    ]);
  });

  test('says it for one of them that was heard and has not said it itself', () => {
    const silent = windowOfRun(4, 7);
    const { windows } = goneOn(peerWith(heard, silent), at(5), word);
    expect(windows.map(({ seen, parent }) => [seen, parent?.from])).toEqual([
      [[1, 2, 3, 4, 7], 5],
      [[1, 2, 3, 4, 7], 8],
    ]);
  });

  test('shows that the store went back where one of them had numbers of another', () => {
    const { wentBack } = goneOn(peerWith(windowOfRun(1, 1, 2, 3, 4, 5)), at(5), word);
    expect(wentBack?.instance).toEqual(instance(1));
  });

  test('says that it began anew: what other runs have said is none of it', () => {
    const anew = { ...goesOn(4, 8), before: [{ instance: new Uint8Array(16), number: 1 }] };
    const { windows, wentBack } = goneOn(peerWith(heard), at(5), anew);
    expect([windows[0]?.low, windows[0]?.seen]).toEqual([0, []]);
    expect(wentBack).toBe(heard);
    // Nor is it what was known last before it what has come of itself already.
    const early = windowOfRun(5, 9);
    expect(goneOn(peerWith(early), at(5), anew).wentBack).toBeNull();
  });
});

describe('of our own runs', () => {
  const link = (number: number) => ({ instance: instance(number), number });
  const many = Array.from({ length: 40 }, (_, at) => link(at + 2)).reduce(withLink, []);

  test('the first and the last are named where there are too many', () => {
    expect(many.length).toBe(AGENT_LIMITS.runLinks - 1);
    expect([many[0], many[1], many.at(-1)].map((each) => each?.number)).toEqual([2, 28, 41]);
  });

  test('those are that were not acknowledged, and one more', () => {
    expect(unheard(many, 40).map(({ number }) => number)).toEqual([40, 41]);
    expect(unheard(many, 99).map(({ number }) => number)).toEqual([41]);
    expect(unheard(many, 0)).toEqual(many);
  });

  test('where the line begins is said while nothing is acknowledged', () => {
    const begun = lineFrom({ acked: 0, keptFrom: 1 }, [link(3), link(5)]);
    expect([begun, ...begun.before].map(({ number }) => number)).toEqual([5, 3, 1]);
    expect(lineFrom({ acked: 1, keptFrom: 2 }, [link(3), link(5)]).before).toEqual([link(3)]);
    // One that began by saying so has said it.
    expect(lineFrom({ acked: 0, keptFrom: 1 }, [link(1), link(5)]).before).toEqual([link(1)]);
    expect(lineFrom({ acked: 0, keptFrom: 1 }, many).before.length).toBe(AGENT_LIMITS.runLinks - 1);
  });
});

const vectors = JSON.parse(
  readFileSync(new URL('../../vectors/run-words.json', import.meta.url), 'utf8'),
) as {
  readonly words: readonly {
    readonly note: string;
    readonly what: RunWord['what'];
    readonly links: readonly { readonly instance: string; readonly number: number }[];
    readonly body: string;
  }[];
  readonly bad: readonly { readonly note: string; readonly body: string }[];
};

test.each(vectors.words)('the word is read and written as published: $note', (vector) => {
  const [first, ...before] = vector.links.map((each) => ({
    ...each,
    instance: fromHex(each.instance),
  }));
  const word = { what: vector.what, before, ...first } as RunWord;
  expect(decodeRunWord(fromHex(vector.body))).toEqual(word);
  expect(toHex(encodeRunWord(word))).toBe(vector.body);
});

test.each(vectors.bad)('no word is: $note', ({ body }) => {
  expect(() => decodeRunWord(fromHex(body))).toThrow(
    expect.objectContaining({ code: 'BAD_CONTENT' }),
  );
});
