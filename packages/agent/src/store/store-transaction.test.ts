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
