/** The oracle sees what it is for: one broken promise for each test. */
import { describe, expect, test } from '@jest/globals';
import type { Deed, Entry } from '../src/ledger.js';
import { missingIn, violationsIn } from '../src/oracle.js';
import type { Evidence } from '../src/oracle.js';

type Line = Entry extends infer One ? (One extends Entry ? Omit<One, 'ms'> : never) : never;

/** Lines a second apart. */
function evidence(
  ledgers: Readonly<Record<string, readonly Line[]>>,
  deeds: Deed[] = [],
): Evidence {
  const stamped = Object.entries(ledgers).map(([name, lines]) => {
    const entries = lines.map((line, at) => ({ ms: 1_000 * (at + 1), ...line }));
    return [name, entries] as const;
  });
  return { ledgers: new Map(stamped), deeds };
}

const accepted = (n: number): Line => ({ what: 'accepted', to: 'bob', n, id: `id${n}` });
/** The sender hears how it ended. */
const ended = (...numbers: number[]): Line[] =>
  numbers.map((n) => ({ what: 'told', id: `id${n}`, state: 'handled' }));
const handled = (n: number, more: { redelivered?: boolean; late?: boolean } = {}): Line => {
  const { redelivered = false, late = false } = more;
  return { what: 'handled', from: 'alice', n, id: `id${n}`, redelivered, late };
};

describe('the oracle', () => {
  test('has nothing to say of what is as it must be', () => {
    const alice = [accepted(1), accepted(2), ...ended(1, 2)];
    const bob = [handled(1), handled(2), handled(2, { redelivered: true })];
    expect(violationsIn(evidence({ alice, bob }))).toEqual([]);
  });

  test('sees a message that was accepted and is lost, unless its sender was told', () => {
    const alice = [accepted(1), accepted(2), ...ended(1)];
    expect(missingIn(evidence({ alice, bob: [handled(1)] }))).toEqual([
      'alice to bob: 2 was accepted and is lost',
    ]);
    const told: Line = { what: 'told', id: 'id2', state: 'expired' };
    expect(violationsIn(evidence({ alice: [...alice, told], bob: [handled(1)] }))).toEqual([]);
  });

  test('sees a message that was handled and told as given up, or rejected and not kept', () => {
    const told: Line = { what: 'told', id: 'id1', state: 'rejected' };
    const rejected = { what: 'rejected', to: 'bob', n: 2, code: 'CLOSED' } as const;
    const alice = [accepted(1), told, { ...rejected, kept: false }];
    const bob = [handled(1), handled(2)];
    expect(violationsIn(evidence({ alice, bob }))).toEqual([
      'id1 was handled, and its sender was told that it is given up',
      'alice to bob: 2 was rejected (CLOSED) and handled',
    ]);
    const kept = [accepted(1), ...ended(1), { ...rejected, kept: true }];
    expect(violationsIn(evidence({ alice: kept, bob }))).toEqual([]);
  });

  test('sees an outcome that nobody was told, and one that is not so', () => {
    expect(violationsIn(evidence({ alice: [accepted(1)], bob: [handled(1)] }))).toEqual([
      'alice was never told what became of 1 to bob',
    ]);
    expect(violationsIn(evidence({ alice: [...ended(7)], bob: [] }))).toEqual([
      'id7 was told as handled, and nobody has',
    ]);
  });

  test('sees what is handled twice, or late, and not marked', () => {
    const alice = [accepted(1), accepted(2), accepted(3), ...ended(1, 2, 3)];
    const bob = [handled(1), handled(3), handled(2), handled(1)];
    expect(violationsIn(evidence({ alice, bob }))).toEqual([
      'bob handled alice: 1 twice, not marked as redelivered',
      'bob handled alice: 2 after 3, not marked as late',
    ]);
    // Handlers of two identities of one sender may run at once: what counts is who began.
    const first = { ...handled(1), beganMs: 10 };
    const second = { ...handled(2), beganMs: 20 };
    const one = [accepted(1), accepted(2), ...ended(1, 2)];
    expect(violationsIn(evidence({ alice: one, bob: [second, first] }))).toEqual([]);
    const marked = [handled(1), handled(3), handled(2, { late: true })];
    expect(violationsIn(evidence({ alice, bob: marked }))).toEqual([]);
  });

  test('excuses what a recipient lost that was put back to an earlier copy, and nothing later', () => {
    const deeds = [{ ms: 1_500, fault: 'restore', whom: 'bob', sinceMs: 500 }];
    const alice = [accepted(1), accepted(2)];
    expect(missingIn(evidence({ alice, bob: [] }, deeds))).toEqual([
      'alice to bob: 2 was accepted and is lost',
    ]);
  });

  test('excuses what a recipient that was put back has forgotten, and no more', () => {
    const alice = [accepted(1), accepted(2), ...ended(1, 2)];
    const other: Line = { what: 'delivered', id: 'id9' };
    // Handled after one second, put back after three and a half.
    const bob = [handled(2), other, other, handled(2), handled(1)];
    const restored = (sinceMs: number): string[] =>
      violationsIn(
        evidence({ alice, bob }, [{ ms: 3_500, fault: 'restore', whom: 'bob', sinceMs }]),
      );
    expect(restored(500)).toEqual(['bob handled alice: 1 after 2, not marked as late']);
    expect(restored(2_500)).toEqual([
      'bob handled alice: 2 twice, not marked as redelivered',
      'bob handled alice: 1 after 2, not marked as late',
    ]);
    const late = [handled(2), other, other, handled(1)];
    const deeds = [{ ms: 3_500, fault: 'restore', whom: 'bob', sinceMs: 500 }];
    expect(violationsIn(evidence({ alice, bob: late }, deeds))).toEqual([]);
  });

  test('sees an agent that was not started for want of room, unless its disk was full', () => {
    const bob: Line[] = [{ what: 'not started', code: 'STORE_FULL' }];
    const full = (ms: number): Deed[] => [
      { ms, fault: 'full', whom: 'bob' },
      { ms: ms + 400, fault: 'room', whom: 'bob' },
    ];
    expect(violationsIn(evidence({ bob }, full(800)))).toEqual([]);
    expect(violationsIn(evidence({ bob }, full(2_000)))).toEqual([
      'bob was not started (STORE_FULL), and its disk had room',
    ]);
    expect(violationsIn(evidence({ bob }))).toHaveLength(1);
  });
});
