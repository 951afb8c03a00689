import { expect, test } from '@jest/globals';
import { FrameTurn } from './frame-turn.js';

const sent = (re: number): string => `{"type":"sent","re":${re},"seq":${re},"duplicate":false}`;

/** A turn that ends when the test says so. */
function turnOf() {
  const written: string[][] = [];
  const flushes: (() => void)[] = [];
  const turn = new FrameTurn({
    defer: (flush) => flushes.push(flush),
    write: (texts) => written.push([...texts]),
  });
  return { turn, written, endTurn: () => flushes.splice(0).forEach((flush) => flush()) };
}

test('what one turn sends is written at its end, in order and in one call', () => {
  const { turn, written, endTurn } = turnOf();
  turn.send(sent(1));
  turn.send(sent(2));
  expect(written).toEqual([]);
  endTurn();
  turn.send(sent(3));
  endTurn();
  expect(written).toEqual([[sent(1), sent(2)], [sent(3)]]);
});

test('frames of one kind go together from the moment that both sides have them', () => {
  const { turn, written, endTurn } = turnOf();
  turn.send(sent(1));
  turn.gather();
  turn.send(sent(2));
  endTurn();
  expect(written.flat().map((text) => (JSON.parse(text) as { type: string }).type)).toEqual([
    'sent_many',
  ]);
});

test('the end comes after what was queued, and nothing is written twice', () => {
  const { turn, written, endTurn } = turnOf();
  turn.send(sent(1));
  turn.flush();
  endTurn();
  turn.flush();
  expect(written).toEqual([[sent(1)]]);
});
