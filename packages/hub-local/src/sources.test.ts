import { describe, expect, test } from '@jest/globals';
import { Sources } from './sources.js';
import type { Sourced } from './sources.js';

interface One extends Sourced {
  readonly name: string;
  isReady: boolean;
}

const LIMITS = { connections: 6, preAuthConnectionsPerAddress: 3, newConnectionsPerSecond: 100 };

function scene(limits = LIMITS) {
  const sources = new Sources<One>(limits);
  let count = 0;
  /** `in`, who had to leave, or `refused`. */
  const come = (remote: string | null, nowMs: number, isReady = false): string => {
    const { mayEnter, leaving } = sources.makeWay(remote, nowMs);
    for (const one of leaving) sources.delete(one);
    if (!mayEnter) return 'refused';
    count += 1;
    sources.add({ name: `${remote}${count}`, remote, openedMs: nowMs, isReady });
    return leaving.map(({ name }) => name).join() || 'in';
  };
  return { sources, come };
}

describe('sources', () => {
  test('the oldest stranger of a source makes way for the next one, once it has had its time', () => {
    const { sources, come } = scene();
    expect([come('a', 0), come('a', 1), come('a', 2)]).toEqual(['in', 'in', 'in']);
    expect([come('a', 249), come('b', 249)]).toEqual(['refused', 'in']);
    expect([come('a', 250), come('a', 250), come('a', 251)]).toEqual(['a1', 'refused', 'a2']);
    expect(sources.size).toBe(4);
  });

  test('who has proved who it is makes way for no newcomer of its own source', () => {
    const { come } = scene();
    for (let n = 0; n < 4; n++) expect(come('a', 0, true)).toBe('in');
    expect(come('a', 1_000)).toBe('in');
  });

  test('one source may have every connection, until others want theirs', () => {
    const { sources, come } = scene();
    for (let n = 0; n < 6; n++) expect(come('a', 0, true)).toBe('in');
    expect(come('a', 0, true)).toBe('refused');
    // The newest go first: a connection that has been there for long stays.
    expect([come('b', 0, true), come('c', 0, true), come('b', 0, true)]).toEqual([
      'a6',
      'a5',
      'a4',
    ]);
    // Three, two, one: `c` may have as many as `b`, and then the three are equal.
    expect([come('b', 0, true), come('c', 0, true), come('c', 0, true)]).toEqual([
      'refused',
      'a3',
      'refused',
    ]);
    expect(sources.size).toBe(6);
  });

  test('strangers of the largest source go before those who have proved who they are', () => {
    const { come } = scene();
    for (const isReady of [true, false, true, true, true, true]) come('a', 0, isReady);
    expect(come('b', 0)).toBe('a2');
  });

  test('connections of this process count among all and have no source', () => {
    const { come } = scene();
    for (let n = 0; n < 6; n++) expect(come(null, 0)).toBe('in');
    expect([come(null, 0), come('a', 0)]).toEqual(['refused', 'refused']);
  });

  test('a source comes no more often than its rate, and another one has its own', () => {
    const { come } = scene({ ...LIMITS, connections: 1_000, newConnectionsPerSecond: 2 });
    expect([come('a', 0, true), come('a', 0, true), come('a', 0, true)]).toEqual([
      'in',
      'in',
      'refused',
    ]);
    expect([come('b', 0), come('a', 500)]).toEqual(['in', 'in']);
  });
});
