/**
 * Bursts: what comes together from one sender shares commits; order and number of messages are as
 * if each had its own.
 */
import { expect, test } from '@jest/globals';
import { LocalHub } from '@agentmesh/hub-local';
import { Agent, MemoryStore } from '../src/index.js';
import type { StoreOperation } from '../src/index.js';

/** Counts the rows of each kind that one commit writes. */
class CountingStore extends MemoryStore {
  readonly commits: Map<string, number>[] = [];

  override commit(operations: readonly StoreOperation[]): Promise<void> {
    const counts = new Map<string, number>();
    for (const operation of operations) {
      if (!('put' in operation)) continue;
      const [kind = ''] = operation.put.split('/');
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    this.commits.push(counts);
    return super.commit(operations);
  }

  /** Commits that wrote rows of a kind, and the most that one of them wrote. */
  ofKind(kind: string): { commits: number; most: number } {
    const counts = this.commits.flatMap((commit) => commit.get(kind) ?? []);
    return { commits: counts.length, most: Math.max(0, ...counts) };
  }
}

test('messages of one sender that come together share commits and keep their order', async () => {
  const hub = new LocalHub();
  const store = new CountingStore();
  const alice = await Agent.create('alice', { hub, logLevel: 'silent' });
  const bob = await Agent.create('bob', { hub, store, logLevel: 'silent' });
  const answered = new Promise((resolve) => void alice.onMessage(resolve));
  await bob.send('alice', 'so that both have heard each other');
  await answered;
  const texts: string[] = [];
  const all = new Promise<void>((resolve) => {
    bob.onMessage(({ text }) => {
      texts.push(text ?? '');
      if (text === '20') resolve();
    });
  });
  await alice.send('bob', '0');
  store.commits.length = 0;
  const said = Array.from({ length: 20 }, (_, n) => String(n + 1));
  await Promise.all(said.map((text) => alice.send('bob', text)));
  await all;
  expect(texts).toEqual(['0', ...said]);
  expect(store.ofKind('inbox').most).toBeGreaterThan(1);
  expect(store.ofKind('inbox').commits).toBeLessThan(20);
  await alice.close();
  await bob.close();
  await hub.close();
});
