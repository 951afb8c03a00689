/**
 * Bursts: what comes together from one sender shares commits; order and number of messages are as
 * if each had its own.
 */
import { expect, test } from '@jest/globals';
import { LocalHub } from '@agentmesh/hub-local';
import { Agent, MemoryStore } from '../src/index.js';
import type { StoreOperation } from '../src/index.js';

const BURST = 64;
/** Five or six, where the machine is not held up; each by itself would cost two and more. */
const MOST_COMMITS = BURST / 8;

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

/** As the store in a file: all that one turn of the event loop commits is one transaction. */
class TurnStore extends MemoryStore {
  transactions = 0;
  readonly #waiting: (() => Promise<void>)[] = [];

  override commit(operations: readonly StoreOperation[]): Promise<void> {
    return new Promise((resolve) => {
      if (this.#waiting.length === 0) setImmediate(() => this.#write());
      this.#waiting.push(() => super.commit(operations).then(resolve));
    });
  }

  #write(): void {
    this.transactions += 1;
    for (const write of this.#waiting.splice(0)) void write();
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

/** Of a burst, all that both do until each message is known to be handled. */
test('a burst costs both agents a fraction of a commit for each message', async () => {
  const hub = new LocalHub();
  const stores = [new TurnStore(), new TurnStore()] as const;
  const alice = await Agent.create('alice', { hub, store: stores[0], logLevel: 'silent' });
  const bob = await Agent.create('bob', { hub, store: stores[1], logLevel: 'silent' });
  bob.onMessage(() => undefined);
  const answered = new Promise((resolve) => void alice.onMessage(resolve));
  await bob.send('alice', 'so that both have heard each other');
  await answered;
  const burst = async (): Promise<number[]> => {
    const before = stores.map(({ transactions }) => transactions);
    const sent = await Promise.all(
      Array.from({ length: BURST }, () => alice.send('bob', 'x'.repeat(256))),
    );
    await Promise.all(sent.map(({ handled }) => handled));
    return stores.map(({ transactions }, at) => transactions - (before[at] ?? 0));
  };
  await burst();
  const [ofSender = 0, ofReceiver = 0] = await burst();
  expect(ofSender).toBeLessThanOrEqual(MOST_COMMITS);
  expect(ofReceiver).toBeLessThanOrEqual(MOST_COMMITS);
  await alice.close();
  await bob.close();
  await hub.close();
});
