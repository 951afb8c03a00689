import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { HASH_KEY_BYTES, IdHasher } from './id-hash.js';
import { IdIndex } from './id-index.js';

const seed = Number(process.env['FC_SEED'] ?? Date.now() % 2 ** 31);
const key = Uint8Array.from({ length: HASH_KEY_BYTES }, (_, at) => (at * 37 + 11) & 0xff);

const ascending = (numbers: number[]): number[] => numbers.toSorted((a, b) => a - b);

describe('IdHasher', () => {
  test('gives equal hashes for equal ids only, up to chance', () => {
    const hasher = new IdHasher(key);
    const seen = new Set<string>();
    for (let n = 0; n < 20_000; n++) {
      const id = new Uint8Array(16);
      new DataView(id.buffer).setUint32(n % 13, n);
      const { shard, print } = hasher.hash(n % 7, id, 0);
      expect(print).toBeGreaterThan(0);
      expect(shard).toBeLessThan(256);
      seen.add(`${shard}:${print}`);
    }
    // Some of these ids are equal; of the different ones none may meet by more than chance.
    const different = new Set<string>();
    for (let n = 0; n < 20_000; n++) {
      const id = new Uint8Array(16);
      new DataView(id.buffer).setUint32(n % 13, n);
      different.add(`${n % 7}:${id.join()}`);
    }
    expect(different.size - seen.size).toBeLessThanOrEqual(1);
  });

  test('depends on the key, the sender and the place', () => {
    const id = Uint8Array.from({ length: 32 }, (_, at) => at);
    const one = new IdHasher(key);
    const other = new IdHasher(key.map((byte) => byte ^ 0x55));
    expect(one.hash(1, id, 0)).toEqual(one.hash(1, id.slice(0, 16), 0));
    expect(one.hash(1, id, 0)).not.toEqual(one.hash(2, id, 0));
    expect(one.hash(1, id, 0)).not.toEqual(one.hash(1, id, 16));
    expect(one.hash(1, id, 0)).not.toEqual(other.hash(1, id, 0));
    expect(one.hash(0x1_0001, id, 0)).not.toEqual(one.hash(1, id, 0));
  });
});

describe('IdIndex', () => {
  const few = fc.record({
    shard: fc.integer({ min: 0, max: 2 }),
    print: fc.integer({ min: 1, max: 20 }),
    ref: fc.integer({ min: 0, max: 5 }),
    add: fc.boolean(),
  });

  test(`is the multimap that a plain list is (seed ${seed}, 300 runs)`, () => {
    fc.assert(
      fc.property(fc.array(few, { maxLength: 400 }), (steps) => {
        const index = new IdIndex();
        let model: { shard: number; print: number; ref: number }[] = [];
        for (const { add, ...entry } of steps) {
          const isIt = (e: typeof entry): boolean =>
            e.shard === entry.shard && e.print === entry.print && e.ref === entry.ref;
          const at = model.findIndex(isIt);
          if (add) {
            index.add(entry, entry.ref);
            model.push(entry);
          } else {
            index.delete(entry, entry.ref);
            if (at >= 0) model = model.toSpliced(at, 1);
          }
          expect(index.size).toBe(model.length);
        }
        for (const entry of model) {
          expect(index.find(entry, (ref) => ref === entry.ref)).toBe(entry.ref);
        }
        for (let print = 1; print <= 20; print++) {
          const refs: number[] = [];
          index.find({ shard: 1, print }, (ref) => {
            refs.push(ref);
            return false;
          });
          const expected = model.filter((e) => e.shard === 1 && e.print === print);
          expect(ascending(refs)).toEqual(ascending(expected.map((e) => e.ref)));
        }
      }),
      { seed, numRuns: 300 },
    );
  });

  test('grows and shrinks by a hundred thousand', () => {
    const index = new IdIndex();
    const hash = (n: number): { shard: number; print: number } => ({
      shard: n & 0xff,
      print: (Math.imul(n, 2654435761) >>> 0) + 1,
    });
    for (let n = 0; n < 100_000; n++) index.add(hash(n), n);
    for (let n = 0; n < 100_000; n += 2) index.delete(hash(n), n);
    expect(index.size).toBe(50_000);
    const missing = [];
    for (let n = 0; n < 100_000; n++) {
      const found = index.find(hash(n), (ref) => ref === n);
      if (found !== (n % 2 === 0 ? null : n)) missing.push(n);
    }
    expect(missing).toEqual([]);
  });
});
