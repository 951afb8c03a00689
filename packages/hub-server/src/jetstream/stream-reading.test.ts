import { expect, test } from '@jest/globals';
import type { JsMsg } from '@nats-io/jetstream';
import { readUpTo } from './stream-reading.js';
import type { EntrySource } from './stream-reading.js';

/** Each reading gives so many entries; `removed`: how many go before they are read. */
function sourceOf(readings: readonly number[], count: number, removed = 0): EntrySource {
  const rest = [...readings];
  let read = 0;
  const one = (): JsMsg => {
    read += 1;
    const info = { pending: count - read };
    const empty = { get: () => '', has: () => false };
    return { seq: read, subject: 'q.1', data: new Uint8Array(1), info, headers: empty } as never;
  };
  return {
    info: () => Promise.resolve({ num_pending: read === 0 ? count : count - read - removed }),
    fetch: ({ max_messages: most }) => {
      const many = Math.min(most, rest.shift() ?? 0);
      const messages = (async function* () {
        for (let n = 0; n < many; n++) yield await Promise.resolve(one());
      })();
      return Promise.resolve(Object.assign(messages, { stop: () => undefined }));
    },
  };
}

const numbers = async (source: EntrySource): Promise<number[]> =>
  (await readUpTo(source, 10)).map(({ seq }) => seq);

test('what NATS gives slowly, in several readings, is read to its end', async () => {
  expect(await numbers(sourceOf([2, 1, 2], 5))).toEqual([1, 2, 3, 4, 5]);
});

test('what was removed since it was counted is not missing', async () => {
  expect(await numbers(sourceOf([3, 0], 5, 2))).toEqual([1, 2, 3]);
});

test.each([[[0]], [[3, 0]]])(
  'readings of %j of five that stay are interrupted',
  async (readings) => {
    await expect(numbers(sourceOf(readings, 5))).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    });
  },
);

test('no more than was asked for is read', async () => {
  expect(await readUpTo(sourceOf([9], 9), 4)).toHaveLength(4);
});
