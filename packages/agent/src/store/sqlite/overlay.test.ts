/**
 * Which rows the journal keeps, which reach the table, and which of the table's are opened: all of
 * it counted.
 */
import { describe, expect, test } from '@jest/globals';
import { Overlay } from './overlay.js';
import type { LowerRow, RowChanges } from './overlay.js';

const bytes = (length = 1): Uint8Array => new Uint8Array(length);

/** An overlay, and what its cycles give to the table one after the other. */
function cycles() {
  const overlay = new Overlay();
  const end = (carry = true): { readonly table: RowChanges; readonly journal: RowChanges } => {
    const parted = overlay.part({ carry });
    overlay.replace(parted.journal);
    return parted;
  };
  return { overlay, end };
}

/** Rows below that count how many of them are opened. */
function below(keys: readonly string[]) {
  const opened: string[] = [];
  const rows: LowerRow[] = keys.map((key) => ({
    key,
    value: () => {
      opened.push(key);
      return bytes();
    },
  }));
  return { source: { get: () => null, scan: () => rows }, opened };
}

describe('a row that is written', () => {
  test('and deleted in the same cycle or the next one never reaches the table', () => {
    const { overlay, end } = cycles();
    overlay.add(new Map([['inbox/1', bytes()]]));
    overlay.add(new Map([['inbox/2', bytes()]]));
    overlay.add(new Map([['inbox/1', null]]));
    const first = end();
    expect([...first.journal.keys()]).toEqual(['inbox/2']);
    overlay.add(new Map([['inbox/2', null]]));
    const second = end();
    expect(second.journal.size).toBe(0);
    const written = [...first.table, ...second.table].filter(([, value]) => value !== null);
    expect(written).toEqual([]);
  });

  test('and stays reaches the table with the second cycle', () => {
    const { overlay, end } = cycles();
    overlay.add(new Map([['name/bob', bytes()]]));
    expect(end().journal.has('name/bob')).toBe(true);
    const { table, journal } = end();
    expect([table.get('name/bob'), journal.size]).toEqual([bytes(), 0]);
  });

  test('takes what it was before out of the table with the first cycle, however often', () => {
    const { overlay, end } = cycles();
    for (let round = 0; round < 3; round++) {
      overlay.add(new Map([['session/1', bytes()]]));
      const { table, journal } = end();
      expect(table.get('session/1')).toBeNull();
      expect(journal.has('session/1')).toBe(true);
    }
  });

  test('goes to the table at once when the store is closed, or beyond 256 KiB of them', () => {
    const { overlay, end } = cycles();
    overlay.add(new Map([['a', bytes()]]));
    expect(end(false).table.get('a')).toEqual(bytes());
    for (let n = 0; n < 5; n++) overlay.add(new Map([[`sent/${n}`, bytes(100_000)]]));
    const { table, journal } = end();
    expect(journal.size).toBe(2);
    expect([...table.values()].filter((value) => value !== null)).toHaveLength(3);
  });
});

test('a range opens only the rows that it gives', () => {
  const { overlay } = cycles();
  const { source, opened } = below(['outcome/1', 'outcome/2', 'outcome/3', 'outcome/4']);
  overlay.add(new Map([['outcome/1', null]]));
  overlay.add(new Map([['outcome/2', bytes()]]));
  const rows = overlay.range({ from: 'outcome/', to: 'outcome0', limit: 2 }, source);
  expect(rows.map(({ key }) => key)).toEqual(['outcome/2', 'outcome/3']);
  expect(opened).toEqual(['outcome/3']);
});

test('a row that is not there is looked for once in a cycle', () => {
  const { overlay, end } = cycles();
  const asked: string[] = [];
  const source = {
    get: (key: string) => {
      asked.push(key);
      return null;
    },
    scan: () => [],
  };
  for (let time = 0; time < 3; time++) expect(overlay.get('skipped/1', source)).toBeNull();
  expect(asked).toEqual(['skipped/1']);
  overlay.add(new Map([['skipped/1', bytes(3)]]));
  expect(overlay.get('skipped/1', source)).toHaveLength(3);
  // It may have come to the table with the end of the cycle.
  end(false);
  overlay.get('skipped/1', source);
  expect(asked).toEqual(['skipped/1', 'skipped/1']);
});
