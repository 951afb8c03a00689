import { expect, test } from '@jest/globals';
import { MemoryStore } from './memory-store.js';
import { StoreTransaction } from './store-transaction.js';

const one = Uint8Array.of(1);
const two = Uint8Array.of(2);

async function opened(): Promise<MemoryStore> {
  const store = new MemoryStore();
  await store.open();
  await store.commit([{ put: 'old', value: one }]);
  return store;
}

test('what a nested transaction commits is seen by the outer one and written with it', async () => {
  const store = await opened();
  const outer = new StoreTransaction(store);
  const part = outer.nested();
  part.put('new', two);
  part.delete('old');
  expect(await part.get('old')).toBeNull();
  await part.commit();
  expect(await outer.get('new')).toEqual(two);
  expect(await outer.nested().get('old')).toBeNull();
  expect(await store.get('new')).toBeNull();
  await outer.commit();
  expect(await store.get('new')).toEqual(two);
  expect(await store.get('old')).toBeNull();
});

test('a nested transaction that is left leaves no trace in the outer one', async () => {
  const store = await opened();
  const outer = new StoreTransaction(store);
  const left = outer.nested();
  left.put('new', two);
  left.delete('old');
  expect(await outer.get('new')).toBeNull();
  expect(await outer.get('old')).toEqual(one);
});

test('what rows stand for is read back, and only the last version becomes bytes', async () => {
  const store = await opened();
  const encoded: number[] = [];
  const encode = (value: number): Uint8Array => {
    encoded.push(value);
    return Uint8Array.of(value);
  };
  const decode = ([value = 0]: Uint8Array): number => value;
  const outer = new StoreTransaction(store);
  for (const value of [3, 4, 5]) {
    const part = outer.nested();
    expect(await part.read('row', decode)).toBe(value === 3 ? null : value - 1);
    part.putLate('row', value, encode);
    await part.commit();
  }
  const left = outer.nested();
  left.putLate('row', 9, encode);
  expect(await left.read('row', decode)).toBe(9);
  expect(await outer.read('row', decode)).toBe(5);
  expect(await outer.read('old', decode)).toBe(1);
  expect(encoded).toEqual([]);
  await outer.commit();
  expect([encoded, await store.get('row')]).toEqual([[5], Uint8Array.of(5)]);
  // Whoever asks for bytes gets them.
  const other = new StoreTransaction(store);
  other.putLate('row', 6, encode);
  expect(await other.nested().get('row')).toEqual(Uint8Array.of(6));
  other.delete('row');
  expect(await other.nested().read('row', decode)).toBeNull();
});
