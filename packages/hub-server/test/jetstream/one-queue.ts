/**
 * One store over NATS with one recipient, and commits of numbered envelopes for it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { QueueChanges } from '@agentmesh/hub-local';
import { JetStreamHubStore } from '../../src/jetstream.js';

export const NOW_MS = 1_700_000_000_000;
/** The recipient, named "bob". */
export const AID = new Uint8Array(32).fill(2);

/** Opens the store; what undoes it is added to `endings`, to be run from the last. */
export async function storeOver(
  servers: string,
  endings: (() => Promise<unknown> | void)[],
  patienceMs?: number,
): Promise<JetStreamHubStore> {
  const folder = mkdtempSync(join(tmpdir(), 'agentmesh-jetstream-'));
  endings.push(() => rmSync(folder, { recursive: true }));
  const hubKeyFile = join(folder, 'hub.key');
  const store = await JetStreamHubStore.open({ servers, hubKeyFile, shards: 1, patienceMs });
  endings.push(() => store.close());
  const claim = { name: 'bob', aid: AID, opening: null, mayRegister: true };
  await store.claim({ ...claim, nowMs: NOW_MS, retiredMs: 1_000 });
  return store;
}

/** Appends envelopes with these numbers. */
export function changesOf(numbers: readonly number[]): QueueChanges {
  const all = 1_000_000;
  return {
    nowMs: NOW_MS,
    quota: { messages: all, bytes: all, senderMessages: all, senderBytes: all, retiredMs: 1_000 },
    acknowledge: [],
    reschedule: [],
    deadLetter: [],
    append: numbers.map((number) => ({
      id: new Uint8Array(16).fill(number),
      from: new Uint8Array(32).fill(9),
      to: AID,
      tsMs: NOW_MS,
      expiresMs: NOW_MS + 60_000,
      rememberUntilMs: NOW_MS + 120_000,
      blob: new Uint8Array(10),
    })),
  };
}
