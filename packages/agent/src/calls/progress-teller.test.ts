import { expect, test } from '@jest/globals';
import { decodeCallFrames } from '@agentmesh/crypto';
import { decodePayload } from '@agentmesh/protocol';
import type { Draft } from '../conversation/compose.js';
import type { Runtime } from '../ground/runtime.js';
import type { Sender } from '../sending/sender.js';
import { ProgressTeller } from './progress-teller.js';

const CALL = { to: new Uint8Array(32), id: '00'.repeat(16) };

/** A teller whose words leave only while its caller can be reached, and a clock that jumps. */
function teller() {
  const timers: (() => void)[] = [];
  const said: unknown[] = [];
  const state = { isReachable: true, tries: 0 };
  const runtime: Pick<Runtime, 'schedule'> = {
    schedule: (_delayMs, task) => {
      timers.push(task);
      return () => {};
    },
  };
  const sender = {
    async tell(_to: Uint8Array, draftFor: () => Draft | null): Promise<void> {
      state.tries += 1;
      // As where no session can be begun: it is not even asked what is to be said.
      const draft = state.isReachable ? draftFor() : null;
      if (draft === null) return;
      for (const { data } of decodeCallFrames(draft.body)) said.push(decodePayload(data)['value']);
    },
  };
  const progress = new ProgressTeller(runtime as Runtime, sender as unknown as Sender, CALL);
  const pace = async (times: number): Promise<void> => {
    for (let n = 0; n < times; n++) {
      for (const task of timers.splice(0)) task();
      await new Promise(setImmediate);
    }
  };
  return { progress, said, state, pace };
}

test('of many words in one pace the latest is told', async () => {
  const { progress, said, pace } = teller();
  for (const word of ['a', 'b', 'c']) progress.tell(word);
  await pace(3);
  expect(said).toEqual(['a', 'c']);
  progress.tell('d');
  progress.tell('e');
  await pace(3);
  expect(said).toEqual(['a', 'c', 'd', 'e']);
});

test('a word that cannot be said is not tried again; the next one is', async () => {
  const { progress, said, state, pace } = teller();
  state.isReachable = false;
  progress.tell('lost');
  await pace(100);
  expect([state.tries, said]).toEqual([1, []]);
  state.isReachable = true;
  progress.tell('next');
  await pace(3);
  expect([state.tries, said]).toEqual([2, ['next']]);
});

test('a word of more than 4 KiB is BAD_OPTION, and nothing of it is said', async () => {
  const { progress, said, pace } = teller();
  const longest = 4_096 - JSON.stringify({ value: '' }).length;
  expect(() => progress.tell('x'.repeat(longest + 1))).toThrow(
    expect.objectContaining({ code: 'BAD_OPTION' }),
  );
  await pace(3);
  progress.tell('x'.repeat(longest));
  await pace(3);
  expect(said).toEqual(['x'.repeat(longest)]);
});
