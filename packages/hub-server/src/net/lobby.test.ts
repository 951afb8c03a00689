import { describe, expect, test } from '@jest/globals';
import { speechOf } from './first-byte.js';
import { Lobby } from './lobby.js';

const limits = { perAddress: 2, newPerSecond: 3, stayMs: 1_000 };
const ignore = (): void => undefined;

describe('Lobby', () => {
  test('takes the limit of an address and not one more, others notice nothing', () => {
    const lobby = new Lobby(limits);
    const first = lobby.enter('a', 0, ignore);
    expect(first).not.toBeNull();
    expect(lobby.enter('a', 0, ignore)).not.toBeNull();
    expect(lobby.enter('a', 0, ignore)).toBeNull();
    expect(lobby.enter('b', 0, ignore)).not.toBeNull();
    lobby.leave(first!);
    lobby.leave(first!);
    expect(lobby.size).toBe(2);
    expect(lobby.enter('a', 0, ignore)).not.toBeNull();
    expect(lobby.enter('a', 0, ignore)).toBeNull();
  });

  test('dismisses the oldest for a newcomer once it has had its time', () => {
    const lobby = new Lobby(limits);
    const dismissed: string[] = [];
    lobby.enter('a', 0, () => dismissed.push('first'));
    lobby.enter('a', 100, () => dismissed.push('second'));
    expect(lobby.enter('a', 249, ignore)).toBeNull();
    expect(lobby.enter('a', 250, ignore)).not.toBeNull();
    expect(dismissed).toEqual(['first']);
    expect(lobby.enter('a', 349, ignore)).toBeNull();
    expect(lobby.size).toBe(2);
  });

  test('takes the rate of an address and not one more until the next second', () => {
    const lobby = new Lobby(limits);
    const come = (nowMs: number): boolean => {
      const guest = lobby.enter('a', nowMs, ignore);
      if (guest !== null) lobby.leave(guest);
      return guest !== null;
    };
    expect([come(0), come(10), come(20), come(999)]).toEqual([true, true, true, false]);
    expect(come(1_000)).toBe(true);
  });

  test('dismisses what stays too long, once', () => {
    const lobby = new Lobby(limits);
    const dismissed: string[] = [];
    lobby.enter('a', 0, () => dismissed.push('first'));
    lobby.enter('b', 600, () => dismissed.push('second'));
    lobby.tick(1_000);
    expect(dismissed).toEqual([]);
    lobby.tick(1_001);
    lobby.tick(1_500);
    expect(dismissed).toEqual(['first']);
    expect(lobby.size).toBe(1);
    lobby.tick(2_000);
    expect(dismissed).toEqual(['first', 'second']);
  });
});

test('the first byte tells what speaks, all 256 of them', () => {
  const speeches = Array.from({ length: 256 }, (_, byte) => speechOf(byte));
  const said = (what: string): string =>
    speeches
      .flatMap((speech, byte) => (speech === what ? [String.fromCharCode(byte)] : []))
      .join('');
  expect(said('tls')).toBe('\u0016');
  expect(said('ndjson')).toBe('\t\n\r {');
  expect(said('http')).toBe('ABCDEFGHIJKLMNOPQRSTUVWXYZ');
});
