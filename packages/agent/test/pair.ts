/**
 * Two agents without a hub, introduced to each other, and what a test sees of their sessions.
 */
import { toHex } from '@agentmesh/crypto';
import { seededRandom } from '@agentmesh/hub-compliance';
import { Agent } from '../src/index.js';
import { activeOf, decodePeer } from '../src/conversation/peer.js';
import type { Peer } from '../src/conversation/peer.js';
import { KeyLedger } from './key-ledger.js';
import { TestStore } from './test-store.js';

/** One side of a pair. */
export interface Side {
  readonly agent: Agent;
  readonly store: TestStore;
}

/** Both sides, and the ledger of every key they used. */
export interface Pair {
  readonly a: Side;
  readonly b: Side;
  readonly ledger: KeyLedger;
  close(): Promise<void>;
}

/** Where the clock of a pair stands. */
export const PAIR_MS = 1_700_000_000_000;

/** Two introduced agents on a clock that stands still. */
export async function introducedPair(seed: number): Promise<Pair> {
  const ledger = new KeyLedger();
  const side = async (name: string, salt: number): Promise<Side> => {
    const store = new TestStore(ledger);
    const random = seededRandom(2 * seed + salt);
    const runtime = { now: () => PAIR_MS, random };
    const agent = await Agent.create(name, { store, runtime, logLevel: 'silent' });
    return { agent, store };
  };
  const a = await side('alice', 0);
  const b = await side('bob', 1);
  await a.agent.connectWithBundle(await b.agent.publicBundle());
  await b.agent.connectWithBundle(await a.agent.publicBundle());
  const close = async (): Promise<void> => {
    await a.agent.close();
    await b.agent.close();
  };
  return { a, b, ledger, close };
}

/** The one peer that a store knows. */
export async function onlyPeer(store: TestStore): Promise<Peer> {
  const rows = await store.rows();
  const [row = ''] = [...rows].filter(([key]) => key.startsWith('peer/')).map(([, row]) => row);
  return decodePeer(Uint8Array.from(Buffer.from(row, 'hex')));
}

/** The sid that an agent sends in, in hex; null if it would need a new session. */
export async function sendingSid(store: TestStore, epoch = 1): Promise<string | null> {
  const active = activeOf(await onlyPeer(store), epoch);
  return active === null ? null : toHex(active.sid);
}
