/**
 * Ten thousand peers in a store cost nothing: starting, sending and receiving read as many rows as
 * with one peer. Counted, not timed. A hundred that come at once are not kept waiting.
 */
import { expect, test } from '@jest/globals';
import { createIdentityRecord, parseIdentityRecord } from '@agentmesh/crypto';
import type { AgentKeyPair } from '@agentmesh/crypto';
import { MemoryStore } from '../src/index.js';
import type { AgentStore, StoreOperation, StoreRange, StoreRow } from '../src/index.js';
import { encodePeer, newPeer } from '../src/conversation/peer.js';
import { ROW } from '../src/store/row-keys.js';
import { World } from './world.js';

const PEERS = 10_000;

/** Counts the rows that are read. */
class CountingStore implements AgentStore {
  readonly inner = new MemoryStore();
  readonly #read: string[] = [];

  /** Keys of the rows read since the last call. */
  takeRead(): string[] {
    return this.#read.splice(0);
  }

  open(): Promise<void> {
    return this.inner.open();
  }

  async get(key: string): Promise<Uint8Array | null> {
    const value = await this.inner.get(key);
    if (value !== null) this.#read.push(key);
    return value;
  }

  async range(range: StoreRange): Promise<readonly StoreRow[]> {
    const rows = await this.inner.range(range);
    this.#read.push(...rows.map(({ key }) => key));
    return rows;
  }

  commit(operations: readonly StoreOperation[]): Promise<void> {
    return this.inner.commit(operations);
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}

/** Peers with whom the agent has spoken long ago. */
async function addPeers(store: AgentStore, keyPair: AgentKeyPair, nowMs: number): Promise<void> {
  const bytes = createIdentityRecord({
    keyPair,
    name: 'somebody',
    hubId: new Uint8Array(32),
    createdMs: nowMs,
    validUntilMs: nowMs + 1_000_000,
    revision: 1,
  });
  const record = parseIdentityRecord(bytes);
  await store.open();
  for (let n = 0; n < PEERS; n++) {
    const aid = new Uint8Array(32);
    new DataView(aid.buffer).setUint32(0, n * 400_009);
    const name = `peer-${n}`;
    const standing = { trust: 'pinned', pinnedMs: 0, verifiedBy: null } as const;
    const peer = newPeer({ ...record, name }, standing, 1);
    await store.commit([
      { put: ROW.peer(aid), value: encodePeer(peer) },
      { put: ROW.name(name), value: aid },
      { put: ROW.session(aid.slice(0, 16)), value: new Uint8Array(500) },
      { put: ROW.sent(aid, 1, 1), value: new Uint8Array(100) },
    ]);
  }
  await store.close();
}

test(`many peers in a store cost nothing: with ${PEERS} as many rows are read as with one`, async () => {
  await using world = await World.create();
  const bob = await world.agent('bob');
  const keyPair = world.keys();
  const store = new CountingStore();

  /** Rows read by one run: on the way up, for sending, for receiving, on the way down. */
  const run = async (): Promise<Record<string, string[]>> => {
    store.takeRead();
    const alice = await world.agent('alice', { keyPair, store });
    await world.rest();
    const start = store.takeRead();
    await world.finish(alice.agent.send('bob', 'hello'));
    await world.rest();
    await world.finish(alice.agent.connect('bob'));
    const send = store.takeRead();
    await world.finish(bob.agent.send('alice', 'hello'));
    await world.rest();
    const receive = store.takeRead();
    await world.close(alice);
    return { start, send, receive, close: store.takeRead() };
  };

  await run();
  const few = await run();
  await addPeers(store.inner, keyPair, world.host.clock());
  const many = await run();
  const counts = (of: Record<string, string[]>): Record<string, number> =>
    Object.fromEntries(Object.entries(of).map(([when, keys]) => [when, keys.length]));
  expect(counts(many)).toEqual(counts(few));
  // Nobody but bob was read.
  const peers = new Set(
    Object.values(many)
      .flat()
      .filter((key) => key.startsWith('peer/')),
  );
  expect([...peers]).toEqual([ROW.peer(bob.keyPair.identity.aid)]);
});

test('a hundred new agents whose first messages come at once are heard within five seconds', async () => {
  await using world = await World.create();
  const boss = await world.agent('boss');
  await world.close(boss);
  const names = Array.from({ length: 100 }, (_, n) => `worker-${n}`);
  for (const name of names) {
    const { agent } = await world.agent(name);
    await world.finish(agent.send('boss', name));
  }
  const again = await world.agent('boss', {}, boss);
  for (let halves = 0; halves < 10; halves++) await world.advance(500);
  expect(again.texts.toSorted()).toEqual(names.toSorted());
});
