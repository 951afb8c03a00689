/**
 * Which reads of the table open a sealed row, counted: a row that is read again is kept open, few
 * are, and none after it was changed.
 */
import { DatabaseSync } from 'node:sqlite';
import { Secret, systemRandom } from '@agentmesh/crypto';
import { expect, test } from '@jest/globals';
import { RowSealer } from './row-sealer.js';
import { RowTable } from './row-table.js';

class CountingSealer extends RowSealer {
  opened = 0;

  override open(...place: Parameters<RowSealer['open']>): Uint8Array | null {
    this.opened += 1;
    return super.open(...place);
  }
}

function tableOf(rows: number) {
  const database = new DatabaseSync(':memory:');
  database.exec('CREATE TABLE row (key TEXT NOT NULL UNIQUE, value BLOB NOT NULL) STRICT');
  const sealer = new CountingSealer(new Secret('store key', new Uint8Array(32)), systemRandom);
  const table = new RowTable(database, sealer, 'memory');
  const key = (n: number): string => `name/${n}`;
  const values = Array.from({ length: rows }, (_, n) => [key(n), Uint8Array.of(n)] as const);
  table.apply(new Map(values));
  return { table, sealer, key };
}

test('a row that is read again is opened once', () => {
  const { table, sealer, key } = tableOf(1);
  for (let n = 0; n < 5; n++) expect(table.get(key(0))).toEqual(Uint8Array.of(0));
  expect(sealer.opened).toBe(1);
});

test('at most 64 rows are kept open, and no long one', () => {
  const { table, sealer, key } = tableOf(65);
  for (let n = 0; n < 65; n++) table.get(key(n));
  table.get(key(64));
  expect(sealer.opened).toBe(65);
  table.get(key(0));
  expect(sealer.opened).toBe(66);
  table.apply(new Map([['long', new Uint8Array(5_000)]]));
  for (let n = 0; n < 2; n++) table.get('long');
  expect(sealer.opened).toBe(68);
});

test('a row that was changed or deleted is not given as it was', () => {
  const { table, key } = tableOf(2);
  for (const n of [0, 1]) table.get(key(n));
  table.apply(
    new Map([
      [key(0), Uint8Array.of(9)],
      [key(1), null],
    ]),
  );
  expect([table.get(key(0)), table.get(key(1))]).toEqual([Uint8Array.of(9), null]);
});
