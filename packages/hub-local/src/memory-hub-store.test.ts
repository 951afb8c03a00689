import { expect, test } from '@jest/globals';
import { ready } from '@agentmesh/protocol';
import { MemoryHubStore } from './memory-hub-store.js';

const aid = new Uint8Array(32).fill(1);
const quota = { messages: 9, bytes: 9_999, senderMessages: 9, senderBytes: 9_999, retiredMs: 9 };
const nothing = { nowMs: 0, quota, acknowledge: [], reschedule: [], deadLetter: [], append: [] };

const envelopeOf = (number: number) => ({
  id: Uint8Array.from({ length: 16 }, (_, at) => (at === 0 ? number & 255 : number >>> 8)),
  from: aid,
  to: aid,
  tsMs: 0,
  expiresMs: 1_000,
  rememberUntilMs: 2_000,
  blob: Uint8Array.of(1),
});

test('of settled ids the oldest are forgotten, of waiting ones none', async () => {
  await ready();
  const store = new MemoryHubStore({ maxSettledIds: 10 });
  await store.claim({ name: 'a', aid, opening: null, mayRegister: true, nowMs: 0, retiredMs: 9 });
  const statusOf = async (number: number) => {
    const { appended } = await store.commit({ ...nothing, append: [envelopeOf(number)] });
    return appended[0];
  };
  await statusOf(0);
  for (let number = 1; number <= 500; number++) {
    const outcome = await statusOf(number);
    if (outcome?.status !== 'stored') throw new TypeError('not stored');
    await store.commit({ ...nothing, acknowledge: [{ recipient: aid, seqs: [outcome.seq] }] });
  }
  expect(await statusOf(0)).toMatchObject({ status: 'duplicate' });
  expect(await statusOf(491)).toMatchObject({ status: 'duplicate' });
  expect(await statusOf(490)).toMatchObject({ status: 'stored' });
  expect(await store.counts()).toMatchObject({ envelopes: 2 });
});
