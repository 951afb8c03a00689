/** Which answers of a hub show that a store went back in time. */
import { expect, test } from '@jest/globals';
import type { Meta } from './meta.js';
import type { Opening, Openings } from './openings.js';
import {
  decodeOpenings,
  encodeOpenings,
  isOfAnotherTime as isOfAnother,
  isOfEarlierHub,
  NO_OPENINGS,
  withAnswer as answeredBy,
  withOpening,
} from './openings.js';

const ours = new Uint8Array(16).fill(1);
const other = new Uint8Array(16).fill(2);

function opened(boot: number, instance = ours): Meta {
  return {
    aid: new Uint8Array(32),
    name: 'alice',
    instance,
    boot,
    epoch: 1,
    numbersSince: 1,
    since: 1,
    prekeysFrom: 0,
    previous: null,
  };
}

function withAnswer(openings: Openings, shown: Opening, now: Opening): Openings {
  return answeredBy(openings, shown, { last: null, now });
}

function isOfAnotherTime(openings: Openings, meta: Meta, last: Opening, hubGoesOn = true): boolean {
  return isOfAnother(openings, last, { meta, hubGoesOn });
}

test('openings that the hub may have seen, answered or not, are our own', () => {
  const answered = withAnswer(NO_OPENINGS, opened(5), opened(5));
  const openings = withOpening(withOpening(answered, opened(9)), opened(12));
  for (const boot of [5, 9, 12]) {
    expect(isOfAnotherTime(openings, opened(12), { instance: ours, boot })).toBe(false);
  }
});

test('an opening that is not remembered is of another time, however low its boot', () => {
  const openings = withOpening(withAnswer(NO_OPENINGS, opened(5), opened(5)), opened(12));
  for (const boot of [4, 6, 11, 13]) {
    expect(isOfAnotherTime(openings, opened(12), { instance: ours, boot })).toBe(true);
  }
});

test('another store that was used after this one shows that this one is old', () => {
  const seen = withAnswer(NO_OPENINGS, opened(5), opened(5));
  expect(isOfAnotherTime(seen, opened(5), { instance: other, boot: 1 })).toBe(true);
  const never = withOpening(NO_OPENINGS, opened(1));
  expect(isOfAnotherTime(never, opened(1), { instance: other, boot: 9 })).toBe(false);
});

test('after a new instance the answered opening of the old one is remembered', () => {
  const renewed = withAnswer(NO_OPENINGS, opened(5), opened(5, other));
  expect(isOfAnotherTime(renewed, opened(5, other), { instance: ours, boot: 5 })).toBe(false);
  expect(isOfAnotherTime(renewed, opened(5, other), { instance: other, boot: 5 })).toBe(false);
  expect(isOfAnotherTime(renewed, opened(5, other), { instance: other, boot: 6 })).toBe(true);
});

test('a hub that names an opening from before its last one went back itself', () => {
  const first = withAnswer(NO_OPENINGS, opened(5), opened(5));
  const later = withAnswer(withOpening(first, opened(9)), opened(9), opened(9));
  expect(isOfAnotherTime(later, opened(9), { instance: ours, boot: 5 })).toBe(false);
  expect(isOfEarlierHub(later, { instance: ours, boot: 5 })).toBe(true);
  expect(isOfEarlierHub(later, null)).toBe(true);
  expect(isOfEarlierHub(later, { instance: ours, boot: 9 })).toBe(false);
  expect(isOfEarlierHub(NO_OPENINGS, null)).toBe(false);
});

test('another store that was there before this one does not show that this one is old', () => {
  const lost = { instance: other, boot: 9 };
  const anew = answeredBy(withOpening(NO_OPENINGS, opened(1)), opened(1), {
    last: lost,
    now: opened(1),
  });
  expect(isOfAnotherTime(anew, opened(1), lost, false)).toBe(false);
  expect(isOfEarlierHub(anew, lost)).toBe(true);
  // A hub that has lost nothing has seen it again since: somebody else has our keys.
  expect(isOfAnotherTime(anew, opened(1), lost, true)).toBe(true);
  expect(isOfAnotherTime(anew, opened(1), { ...lost, boot: 10 }, false)).toBe(true);
});

test('the row reads back as it was written', () => {
  for (const openings of [
    NO_OPENINGS,
    withOpening(withAnswer(NO_OPENINGS, opened(5), opened(5)), opened(7)),
    answeredBy(NO_OPENINGS, opened(5), { last: opened(9, other), now: opened(5) }),
  ]) {
    expect(decodeOpenings(encodeOpenings(openings), ours)).toEqual(openings);
  }
  expect(decodeOpenings(null, ours)).toEqual(NO_OPENINGS);
  expect(() => decodeOpenings(Uint8Array.of(9), ours)).toThrow(
    expect.objectContaining({ code: 'STORE_CORRUPT' }),
  );
});
