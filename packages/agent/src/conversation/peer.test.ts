/** One peer's row: small whatever numbers it sends under whatever instances, and read for good. */
import { expect, test } from '@jest/globals';
import { fromHex } from '@agentmesh/crypto';
import type { IdentityRecord } from '@agentmesh/crypto';
import { AGENT_LIMITS } from '../ground/limits.js';
import { decodePeer, encodePeer, newPeer, replaceWindow } from './peer.js';
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

test('lines of runs share one bound; the one that speaks keeps its own', () => {
  const { identities, instances, runLinks, runLinksKept } = AGENT_LIMITS;
  let peer = someone();
  const before = Array.from({ length: runLinks - 1 }, (_, at) => ({
    instance: new Uint8Array(16).fill(at),
    number: runLinks - at,
  }));
  for (let n = 0; n < identities * instances; n++) {
    const key = { since: 1 + Math.floor(n / instances), instance: new Uint8Array(16).fill(n) };
    const parent = { instance: new Uint8Array(16).fill(99), from: 40, before };
    peer = replaceWindow(peer, { ...emptyWindow(key), parent });
    expect(peer.windows.at(-1)?.parent).toBe(parent);
  }
  const kept = peer.windows.map(({ parent }) => parent?.before.length ?? 0);
  expect(kept.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(runLinksKept);
  expect(kept.filter((count) => count > 0).length).toBe(2);
});

/** Run 2 goes on from run 1 with number 7, and number 7 of run 1 is put aside. */
const VERSION_9 = [
  '0901010101010101010101010101010101010101010101010101010101010101010202020202020202020202',
  '02020202020202020202020202020202020202020200000005616c6963650000000000000001000000000000',
  '0000000000000100000000000000000000000000000000000000000102020202020202020202020202020202',
  '0000000001000000010202020202020202020202020202020200000003060000000100600200000000000000',
  '0000000101010101010101010101010101010101070000000109040001000000000000000000000000000000',
  '0000000000000000000000000101010101010101010101010101010101010000000000000000000000000000',
  '0000000000000000000000000100000001010101010101010101010101010101010000000100000000010080',
  '00000000000000000000000000',
].join('');

test('a row of version 9 is read: nothing was known of runs before the last', () => {
  const [one, two] = [1, 2].map((run) => new Uint8Array(16).fill(run));
  const { windows, aside, outgoing } = decodePeer(fromHex(VERSION_9));
  expect(windows).toMatchObject([
    { instance: two, low: 6, seen: [5, 6, 9], parent: { instance: one, from: 7, before: [] } },
  ]);
  expect(aside).toMatchObject([{ instance: one, seen: [7], parent: null }]);
  expect(outgoing).toMatchObject({ next: 9, acked: 4, instance: one, links: [] });
  const again = decodePeer(encodePeer({ ...someone(), windows, aside, outgoing }));
  expect([again.windows, again.aside, again.outgoing]).toEqual([windows, aside, outgoing]);
});
