/** One peer's row stays small, whatever numbers it sends under whatever instances. */
import { expect, test } from '@jest/globals';
import { AGENT_LIMITS } from '../ground/limits.js';
import { replaceWindow } from './peer.js';
import type { Peer } from './peer.js';
import { emptyWindow, observe, sparseOf } from './sequence-window.js';

test('four instances full of holes share one bound; the one that speaks keeps its numbers', () => {
  const { instances, sequenceSparse } = AGENT_LIMITS;
  let peer = { windows: [] as Peer['windows'] } as Peer;
  const each = sequenceSparse / 2;
  for (let instance = 0; instance < instances; instance++) {
    let window = emptyWindow({ since: 1, instance: new Uint8Array(16).fill(instance) });
    for (let n = 1; n <= each; n++) {
      const msgId = new Uint8Array(16).fill(n % 256);
      window = observe(window, { number: 2 * n, msgId, boot: 1 }).window;
    }
    peer = replaceWindow(peer, window);
    expect(peer.windows.at(-1)).toBe(window);
  }
  expect(peer.windows).toHaveLength(instances);
  const sparse = peer.windows.map((window) => sparseOf(window));
  expect(sparse.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(sequenceSparse);
  expect(sparse.slice(-2)).toEqual([each, each]);
});
