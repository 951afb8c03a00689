/** One peer's row stays small, whatever numbers it sends under whatever instances. */
import { expect, test } from '@jest/globals';
import type { IdentityRecord } from '@agentmesh/crypto';
import { AGENT_LIMITS } from '../ground/limits.js';
import { encodePeer, newPeer, replaceWindow } from './peer.js';
import type { Peer } from './peer.js';
import { emptyWindow, observe, partsOf, sparseOf } from './sequence-window.js';

/** A peer at its beginning; keys and record are not looked at here. */
function someone(): Peer {
  const identity = { signing: new Uint8Array(32), dh: new Uint8Array(32), aid: new Uint8Array(32) };
  const record = { identity, name: 'mallory', revision: 1, bytes: new Uint8Array(346) };
  const standing = { trust: 'pinned', pinnedMs: 0, verifiedBy: null } as const;
  return newPeer(record as unknown as IdentityRecord, standing, 1);
}

test('four instances full of holes share one bound; the one that speaks keeps its numbers', () => {
  const { instances, sequenceParts, sequenceSparse } = AGENT_LIMITS;
  let peer = someone();
  const each = sequenceSparse / 2;
  for (let instance = 0; instance < instances; instance++) {
    let window = emptyWindow({ since: 1, instance: new Uint8Array(16).fill(instance) });
    for (let n = 1; n <= each; n++) {
      window = observe(window, { number: 2 * n, boot: 1 }).window;
    }
    peer = replaceWindow(peer, window);
    expect(peer.windows.at(-1)).toBe(window);
  }
  expect(peer.windows).toHaveLength(instances);
  const sparse = peer.windows.map((window) => sparseOf(window));
  expect(sparse.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(sequenceSparse);
  expect(sparse.slice(-2)).toEqual([each, each]);
  const parts = peer.windows.map((window) => partsOf(window).length);
  expect(parts.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(sequenceParts);
  expect(encodePeer(peer).length).toBeLessThan(4_096);
});
