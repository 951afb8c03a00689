/**
 * What a hub over NATS remembers of ids: within its bound and its time, and which content it was.
 */
import { describe, expect, test } from '@jest/globals';
import { RememberedIds } from './remembered-ids.js';

const noteOf = (content: number, rememberUntilMs = 1_000) => ({
  from: new Uint8Array(32),
  id: new Uint8Array(16),
  tsMs: 0,
  expiresMs: 500,
  rememberUntilMs,
  digest: new Uint8Array(32).fill(content),
});

describe('ids that a hub remembers', () => {
  test('tell a repetition from another content, until their time is over', () => {
    const ids = new RememberedIds();
    ids.keep('a', noteOf(1), 7);
    expect(ids.look('a', noteOf(1), 999)).toEqual({ status: 'duplicate', seq: 7 });
    expect(ids.look('a', noteOf(2), 999)).toEqual({ status: 'conflict' });
    expect(ids.look('a', noteOf(1), 1_000)).toBeNull();
    expect(ids.look('b', noteOf(1), 999)).toBeNull();
  });

  test('are the last ones, at least so many and at most twice as many', () => {
    const ids = new RememberedIds(3);
    for (let n = 0; n < 10; n++) ids.keep(`id ${n}`, noteOf(n), n + 1);
    const known = Array.from({ length: 10 }, (_, n) => ids.look(`id ${n}`, noteOf(n), 0) !== null);
    expect(known).toEqual([...Array<boolean>(6).fill(false), true, true, true, true]);
  });
});
